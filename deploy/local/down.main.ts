/** Deletes one lab: `node down.main.ts INDEX`. The guard of a lab runs it after the lab's owner has died. */
import { tmpdir } from 'node:os'
import { systemClock } from '../../lib/clock.ts'
import { createLabDeps, labDown, sourceDownCommand } from './lab.ts'

const [, , index = ''] = process.argv
if (!/^\d+$/.test(index)) {
  console.error('usage: node down.main.ts INDEX')
  process.exit(2)
}
const machine = {
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  environment: process.env,
  temporaryDirectory: tmpdir(),
}
await labDown(createLabDeps(machine, systemClock, sourceDownCommand(process.execPath)), Number(index))
