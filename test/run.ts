/** `npm test [FILTER...]`: runs all static checks and tests, and prints a summary. With filters, runs only matching test files. */

import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const report = join(tmpdir(), `meshgauge-tests-${process.pid}.json`)
const run = (file: string, args: string[]) =>
  execa(file, args, { stdio: 'inherit', reject: false, preferLocal: true }).then(
    ({ exitCode }) => exitCode === 0,
  )

const filters = process.argv.slice(2)
const checked = filters.length > 0 || (await run('npm', ['run', '--silent', 'check']))
const passed = await run('vitest', [
  'run',
  '--reporter=default',
  `--reporter=${fileURLToPath(import.meta.resolve('./skip-reasons.ts'))}`,
  '--reporter=json',
  `--outputFile=${report}`,
  ...filters,
])

type Report = {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  testResults: { status: string; assertionResults: unknown[] }[]
}
const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
  readFileSync(report, 'utf8'),
) as Report
rmSync(report)
// A test file that fails to load has no test results.
const brokenFiles = testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
).length
const failed = numFailedTests + brokenFiles + (checked ? 0 : 1)
if (!checked) console.log('npm run check failed; it counts as one failed test')
console.log(`${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped`)
process.exitCode = passed && checked ? 0 : 1
