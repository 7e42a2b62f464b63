import { serve } from '../threads/serve.ts';
import { perform, type ReplayJob, type ReplayResult } from './perform.ts';

serve<ReplayJob, ReplayResult>(perform);
