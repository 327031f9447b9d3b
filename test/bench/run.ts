/** `npm run bench`: runs all benchmarks one after the other. A benchmark prints its figures and fails when it misses a goal. */

import { readdirSync } from 'node:fs'
import { execa } from 'execa'

const wanted = process.argv.slice(2)
const benchmarks = readdirSync(import.meta.dirname)
  .filter(
    (file) =>
      file.endsWith('.bench.ts') && (wanted.length === 0 || wanted.some((word) => file.includes(word))),
  )
  .sort()
// The benchmarks use the bundled agent, as packages do.
const { stdout: bundle } = await execa(process.execPath, [
  `${import.meta.dirname}/../../deploy/bundle/agent.main.ts`,
])
const missed: string[] = []
for (const file of benchmarks) {
  console.log(`\n== ${file}`)
  const { exitCode } = await execa(process.execPath, [`${import.meta.dirname}/${file}`], {
    stdio: 'inherit',
    env: { MESHGAUGE_AGENT_BUNDLE: bundle },
    reject: false,
  })
  if (exitCode !== 0) missed.push(file)
}
console.log(
  missed.length === 0 ? '\nEvery goal was reached.' : `\nGoals were missed in: ${missed.join(', ')}`,
)
process.exitCode = missed.length === 0 ? 0 : 1
