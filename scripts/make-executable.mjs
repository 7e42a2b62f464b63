// tsc writes files without the executable bit, and npm sets it only when it links a package for the first time.
import { chmodSync } from 'node:fs';

chmodSync(new URL('../dist/cli/main.js', import.meta.url), 0o755);
