// `npm run demo`: the main job on examples/shop.yaml, as questions and answers. Each answer is what the command prints.
import { run } from '../dist/cli/run.js';

process.chdir(new URL('..', import.meta.url).pathname);
const bold = (text) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);

const QUESTIONS = [
  [
    'Which pod serves this connection, and why?',
    'select -f examples/shop.yaml --from 198.51.100.7:40000 --to 203.0.113.10:443',
  ],
  [
    'How do the connections of one client spread? (A rolling update of shop/web is in progress.)',
    'select -f examples/shop.yaml --from 198.51.100.7 --to 203.0.113.10:80',
  ],
  [
    'The whole way of that packet and its answer: which addresses does everybody see?',
    'trace -f examples/shop.yaml --from external:198.51.100.7:40000 --to 203.0.113.10:443/TCP --via worker-b1 --reply',
  ],
  [
    'externalTrafficPolicy: Local - which nodes are black holes for this address?',
    'select -f examples/shop.yaml --from 198.51.100.7:40000 --to 203.0.113.20:443',
  ],
  [
    'The same connection from elsewhere: refused, and by which rule?',
    'select -f examples/shop.yaml --from 192.0.2.33:40000 --to 203.0.113.20:443',
  ],
  [
    'A pod calls a service that prefers close endpoints: what does its socket get, and what is it shown?',
    'connect -f examples/shop.yaml --pod shop/debug --to 10.96.20.50:80',
  ],
  ['Who reaches the checkout how, from where?', 'matrix -f examples/shop.yaml --service shop/checkout'],
  ['What should the owners of these objects know?', 'lint -f examples/shop.yaml'],
  [
    'A wrong port: what is there instead?',
    'select -f examples/shop.yaml --from 198.51.100.7:40000 --to 203.0.113.10:8080',
  ],
  [
    'How even is the Maglev table?',
    'bpf lb maglev get 203.0.113.10:80 -f examples/shop.yaml --node worker-a1 --compact',
  ],
  [
    'Which source ranges does the agent of worker-a1 write?',
    'bpf lb list -f examples/shop.yaml --node worker-a1 --source-ranges',
  ],
  [
    'How is kube-proxy replaced?',
    'status -f examples/shop.yaml --verbose --device eth0=192.168.10.11,fd00:192:168:10::11',
  ],
];

for (const [question, command] of QUESTIONS) {
  process.stdout.write(`\n${bold(`# ${question}`)}\n$ lbtwin ${command}\n`);
  let warnings = '';
  const code = await run(command.split(' '), {
    write: (text) => void process.stdout.write(text),
    warn: (text) => void (warnings += text),
    stdin: async () => new Uint8Array(),
    color: false,
    progress: false,
    columns: 100,
  });
  // 1 is an answer too ("no backend"); anything else means that the demo is broken.
  if (code > 1) {
    process.stderr.write(warnings);
    process.exit(code);
  }
}
process.stdout.write('\nNow with your own cluster: kubectl get svc,endpointslices,nodes,pods -A -o yaml > dump.yaml\n');
