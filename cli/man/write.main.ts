/** Writes the man pages to a folder, by default dist/man/man1. Run by `npm run man`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { buildProgram } from '../program.ts'
import type { OutputStream, Terminal } from '../terminal.ts'
import { manPages } from './pages.ts'

const nowhere: OutputStream = { write: () => undefined, isTTY: false, columns: undefined }
const terminal: Terminal = {
  stdout: nowhere,
  stderr: nowhere,
  env: {},
  clock: systemClock,
  onInterrupt: () => () => undefined,
  onHangup: () => () => undefined,
  withDefaultSignals: (work) => work(),
  machine: { pid: process.pid, uid: -1, temporaryDirectory: '', program: [] },
}
const folder = process.argv[2] ?? 'dist/man/man1'
mkdirSync(folder, { recursive: true })
const pages = manPages(buildProgram(terminal))
for (const [name, page] of pages) writeFileSync(join(folder, name), page)
process.stdout.write(`Wrote ${pages.size} man pages to ${folder}.\n`)
