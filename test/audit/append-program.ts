// What appends beside a test? A process of its own that can be killed: PATH COUNT.
import { AuditFile } from '../../src/audit/audit-file.ts';
import { storing } from './samples.ts';

const [path = '', count = '0'] = process.argv.slice(2);
const file = new AuditFile({ path, maxBytes: 64 * 1024, writer: `broker@${process.pid}`, lockWaitMs: 30_000 });
for (let turn = 0; turn < Number(count); turn++) {
  await file.append([storing(`by ${process.pid}, ${turn}`)]);
  if (turn === 5) process.stdout.write('appending\n');
}
