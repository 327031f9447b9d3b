import { execaSync } from 'execa'
import { expect, test } from 'vitest'
import { buildProgram } from '../program.ts'
import { testTerminal } from '../testing/test-terminal.ts'
import { manPages } from './pages.ts'

const pages = manPages(buildProgram(testTerminal()))

/** The page as man shows it, 200 columns wide, without overstrikes. */
const show = (page: string) =>
  execaSync('sh', ['-c', 'man -l --warnings=w - | col -bx'], {
    input: page,
    reject: false,
    env: { MANWIDTH: '200', MAN_KEEP_FORMATTING: '', LC_ALL: 'C.UTF-8' },
  })

const hasMan = execaSync('sh', ['-c', 'man --version'], { reject: false }).exitCode === 0

test('there is a page for each command, and it has every option and every example', () => {
  expect([...pages.keys()]).toEqual(
    expect.arrayContaining(['meshgauge.1', 'meshgauge-run.1', 'meshgauge-runs.1']),
  )
  const runs = pages.get('meshgauge-runs.1')!
  expect(runs).toContain('.SS meshgauge runs export')
  expect(runs).toContain('\\fB\\-\\-format <name>\\fR')
  expect(runs).toContain('meshgauge runs cancel latest')
})

test.skipIf(!hasMan)('man shows each page without a warning (skipped: man is not installed)', () => {
  for (const [name, page] of pages) {
    const { exitCode, stderr, stdout } = show(page)
    expect([name, exitCode, stderr]).toEqual([name, 0, ''])
    expect(stdout).toContain('SYNOPSIS')
  }
  expect(show(pages.get('meshgauge-run.1')!).stdout).toMatch(
    /^\s+--test <name>\n\s+ping \(loss and round-trip time\) or iperf/m,
  )
})
