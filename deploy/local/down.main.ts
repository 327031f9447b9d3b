/** Tears one lab down: what the guard of a lab runs once the lab's owner is gone. `node down.main.ts INDEX` */
import { tmpdir } from 'node:os'
import { systemClock } from '../../lib/clock.ts'
import { createLabDeps, labDown } from './lab.ts'

const index = Number(process.argv[2])
const machine = {
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  environment: process.env,
  temporaryDirectory: tmpdir(),
}
await labDown(
  createLabDeps(machine, systemClock, () => []),
  index,
)
