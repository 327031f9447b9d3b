import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { FakeCollector } from '../testing/fake-collector.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'
import { RUN_ID, runOf, slowSender } from '../testing/run-samples.ts'
import { type TestTerminal, testTerminal } from '../testing/test-terminal.ts'

const completed = () => runOf(RunState.RUN_STATE_COMPLETED)
const running = () => runOf(RunState.RUN_STATE_RUNNING)

afterEach(closeCollectors)

describe('run', () => {
  test('starts a run, follows it and prints the report', async () => {
    const collector = await collectorWith({ pageSize: 5 })
    const { code, out } = await runCommand(
      collector,
      'run mesh --test iperf -t 2s -4 --nodes n1,n2 --no-delay',
    )
    expect(code).toBe(0)
    expect(out).toMatch(/^Healthy\. No culprit among 4 nodes and 4 interfaces\.\n\nnet1, Gbit\/s received/)
    expect(collector.specs[0]).toMatchObject({
      topology: { nodes: ['n1', 'n2'] },
      test: { $case: 'iperf', value: { options: { duration: { seconds: 2 }, noDelay: true, family: 1 } } },
    })
  })

  test('--json prints one document with the results of all pages', async () => {
    const { code, out } = await runCommand(
      await collectorWith({ pageSize: 5 }),
      'run mesh --test iperf --json',
    )
    const document = JSON.parse(out) as { run: { id: string }; pairs: unknown[] }
    expect(code).toBe(0)
    expect(document.run.id).toBe(RUN_ID)
    expect(document.pairs).toHaveLength(12)
  })

  test('a verdict exits with 1', async () => {
    const run = runOf(RunState.RUN_STATE_COMPLETED, { verdicts: [slowSender()] })
    const { code, out } = await runCommand(await collectorWith({ run }), 'run mesh --test iperf')
    expect(code).toBe(1)
    expect(out).toMatch(/^✘ n3 sends badly on net1/)
  })

  test('--detach prints the id and exits', async () => {
    const { code, out } = await runCommand(
      await collectorWith({ run: running() }),
      'run mesh --test ping --detach',
    )
    expect([code, out]).toEqual([0, `${RUN_ID}\n`])
  })

  test('a lost connection is opened again', async () => {
    let calls = 0
    const collector = await collectorWith({
      run: running(),
      watch: async function* () {
        calls++
        yield { run: calls < 3 ? running() : completed() }
      },
    })
    const { code, err } = await runCommand(collector, 'run mesh --test iperf')
    expect([code, calls]).toEqual([0, 3])
    expect(err).toContain('Reconnecting.')
  })

  test('if the collector does not come back, the message says how to follow the run later', async () => {
    const terminal = { ...testTerminal(), clock: { ...testTerminal().clock, sleep: () => sleep(1) } }
    const collector: FakeCollector = await collectorWith({
      run: running(),
      watch: async function* () {
        yield { run: running() }
        void collector.close()
        await sleep(60_000)
      },
    })
    const { code, err } = await runCommand(collector, 'run mesh --test iperf', terminal as TestTerminal)
    expect(code).toBe(3)
    expect(err).toContain(`See its state with "meshgauge runs show ${RUN_ID}".`)
  })
})

describe('Ctrl-C', () => {
  const cancellable = () => {
    const cancelled = new AbortController()
    return collectorWith({
      run: running(),
      watch: async function* () {
        yield { run: running() }
        if (!cancelled.signal.aborted) await once(cancelled.signal, 'abort')
        yield { run: runOf(RunState.RUN_STATE_CANCELLED) }
      },
      onCancel: () => cancelled.abort(),
    })
  }

  test('cancels the run and prints its results', async () => {
    const collector = await cancellable()
    const terminal = testTerminal()
    const done = runCommand(collector, 'run mesh --test iperf', terminal)
    await terminal.waitForStderr('of 12 pairs')
    terminal.interrupt()
    const { code, out } = await done
    expect([code, collector.cancelled]).toEqual([130, [RUN_ID]])
    expect(out).toContain('Unclear. The run was cancelled. 10 of 12 pairs were observed.')
    expect(out).toContain('net1, Gbit/s received')
  })

  test('pressed twice leaves at once', async () => {
    const collector = await collectorWith({
      run: running(),
      watch: async function* (_request, { signal }) {
        yield { run: running() }
        await once(signal, 'abort')
      },
    })
    const terminal = testTerminal()
    const done = runCommand(collector, 'run mesh --test iperf', terminal)
    await terminal.waitForStderr('of 12 pairs')
    terminal.interrupt()
    terminal.interrupt()
    const { code, err, out } = await done
    expect([code, out]).toEqual([130, ''])
    expect(err).toContain(`"meshgauge runs show ${RUN_ID}"`)
  })

  test('during "runs show" stops following and does not cancel the run', async () => {
    const collector = await cancellable()
    const terminal = testTerminal()
    const done = runCommand(collector, 'runs show', terminal)
    await terminal.waitForStderr('of 12 pairs')
    terminal.interrupt()
    expect((await done).code).toBe(130)
    expect(collector.cancelled).toEqual([])
  })
})
