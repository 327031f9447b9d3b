/** `npm run simulate`: any number of seeds. Exits with 1 when a checker finds something wrong, and says how to replay it. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { execa } from 'execa'
import { type SimulationResult, simulate } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    nodes: { type: 'string', default: '12' },
    hours: { type: 'string', default: '0.25' },
    'full-mesh': { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
})

/** A number of the command line within its bounds. */
const numberOf = (name: 'seeds' | 'seed' | 'nodes' | 'hours', least: number, most: number): number => {
  const value = Number(values[name])
  if (value >= least && value <= most) return value
  console.error(`--${name} ${values[name]}: must be a number from ${least} to ${most}`)
  process.exit(2)
}

const MAX_SEED = 2 ** 32 - 1
const nodes = numberOf('nodes', 2, 1000)
const hours = numberOf('hours', 0.1, 100)
const flags = values['full-mesh'] ? ' --full-mesh' : ''
const replay = (seed: number) =>
  `npm run simulate -- --seed ${seed} --nodes ${nodes} --hours ${hours}${flags}`

const report = ({ seed, violations, traceHash, traceLines, counts }: SimulationResult, seconds: number) => {
  const { windows, faults, named, namedByRuns, runs } = counts
  const figures = `${windows} windows, ${runs} runs, ${faults} faults, ${named} named by the mesh and ${namedByRuns} by runs`
  console.log(`seed ${seed}: ${figures}; trace ${traceHash}; ${seconds.toFixed(1)} s`)
  if (values.trace || violations.length > 0) console.log(traceLines.join('\n'))
  for (const { checker, seconds: at, text } of violations)
    console.log(`${checker} at ${at.toFixed(0)} s: ${text}`)
  if (violations.length > 0) console.log(`replay: ${replay(seed)}`)
}

/** One seed in this process. */
const runOne = async (seed: number): Promise<void> => {
  // Errors are part of how calls end. Their stacks take a tenth of the time, and a failure is replayed by its seed.
  Error.stackTraceLimit = nodes > 100 ? 0 : 10
  const startMs = Date.now()
  const isShown = process.stderr.isTTY
  const onProgress = (seconds: number) => {
    if (isShown)
      process.stderr.write(`\rseed ${seed}: ${(seconds / 60).toFixed(0)} of ${(hours * 60).toFixed(0)} min`)
  }
  const result = await simulate({
    seed,
    nodes,
    seconds: hours * 3600,
    ...(values['full-mesh'] && { isFullMesh: true }),
    onProgress,
  })
  if (isShown) process.stderr.write('\r\x1b[K')
  report(result, (Date.now() - startMs) / 1000)
  if (result.violations.length > 0) process.exitCode = 1
}

/** Many seeds, as many at a time as there are cores, each in its own process. */
const runMany = async (count: number, first: number): Promise<void> => {
  let next = 0
  const failed: number[] = []
  const worker = async (): Promise<void> => {
    while (next < count) {
      const seed = first + next++
      const args = [...process.execArgv, import.meta.filename, '--seed', String(seed)]
      const { stdout, stderr, exitCode } = await execa(
        process.execPath,
        [...args, '--nodes', String(nodes), '--hours', String(hours), ...flags.split(' ').filter(Boolean)],
        { reject: false },
      )
      console.log(stdout || stderr)
      if (exitCode !== 0) failed.push(seed)
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, worker))
  console.log(`${count} seeds, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`)
  for (const seed of failed) console.log(`replay: ${replay(seed)}`)
  if (failed.length > 0) process.exitCode = 1
}

if (values.seed !== undefined && values.seeds === undefined) await runOne(numberOf('seed', 0, MAX_SEED))
else
  await runMany(
    values.seeds === undefined ? 1 : numberOf('seeds', 1, 1_000_000),
    values.seed === undefined ? 1 : numberOf('seed', 0, MAX_SEED),
  )
