/** Runs a command against a fake collector. */

import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { runCommandLine } from '../program.ts'
import { type FakeCollector, type Script, startFakeCollector } from './fake-collector.ts'
import { iperfPair, meshOf, runOf } from './run-samples.ts'
import { type TestTerminal, testTerminal } from './test-terminal.ts'

const pairs = meshOf(4, (source, destination) => iperfPair(source, destination, 9.4e9))

const opened: FakeCollector[] = []

/** Starts a fake collector with one completed, healthy mesh, unless the script says otherwise. */
export const collectorWith = async (script: Partial<Script> = {}): Promise<FakeCollector> => {
  const collector = await startFakeCollector({
    run: runOf(RunState.RUN_STATE_COMPLETED),
    results: pairs,
    ...script,
  })
  opened.push(collector)
  return collector
}

export const closeCollectors = async (): Promise<void> => {
  for (const collector of opened.splice(0)) await collector.close()
}

export type CommandOutput = { code: number; out: string; err: string }

/** Runs a command line, which is split at spaces. Without a collector no --collector is added. */
export const runCommand = async (
  collector: { address: string } | undefined,
  words: string,
  terminal: TestTerminal = testTerminal(),
): Promise<CommandOutput> => {
  const where = collector ? ['--collector', collector.address] : []
  const code = await runCommandLine([...words.split(' '), ...where], terminal)
  return { code, out: terminal.out(), err: terminal.err() }
}
