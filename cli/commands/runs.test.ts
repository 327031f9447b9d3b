import { afterEach, describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { hostSamples, metadataOf } from '../testing/host-samples.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'
import { iperfPair, pingPair, RUN_ID, runOf } from '../testing/run-samples.ts'

afterEach(closeCollectors)

const run = runOf(RunState.RUN_STATE_COMPLETED, { nodeMetadata: { n1: metadataOf('n1') } })

describe('runs export --format arcaflow', () => {
  test('prints one document for a run of one pair', async () => {
    const results = [{ ...iperfPair('n1', 'n2', 1e9), sourceHost: hostSamples() }]
    const { code, out, err } = await runCommand(
      await collectorWith({ run, results }),
      'runs export --format arcaflow',
    )
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out)).toMatchObject({ uuid: RUN_ID, run_id: 'nightly', metadata: { fqdn: 'n1' } })
  })

  test('without PCP samples it prints on stderr how to record them', async () => {
    const results = [iperfPair('n1', 'n2', 1e9), iperfPair('n2', 'n1', 1e9)]
    const { code, out, err } = await runCommand(
      await collectorWith({ run, results }),
      'runs export --format arcaflow',
    )
    expect(code).toBe(0)
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).pcp),
    ).toEqual([{ pcp_output: [] }, { pcp_output: [] }])
    expect(err).toBe(
      '2 of 2 pairs without PCP samples. Run with "--sample-hosts --sample-source pcp" to record them.\n',
    )
  })

  test('a ping run is refused', async () => {
    const ping = { ...run, spec: { ...run.spec!, test: { $case: 'ping' as const, value: {} as never } } }
    const collector = await collectorWith({ run: ping, results: [pingPair('n1', 'n2', 0, 0.001)] })
    const { code, out, err } = await runCommand(collector, 'runs export --format arcaflow')
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(`needs a run of iperf3, and run ${RUN_ID} was measured by ping; use --format json`)
  })
})

test('run --json has the metadata of the nodes, which WatchRun leaves out', async () => {
  const watch = async function* () {
    yield { run: { ...run, nodeMetadata: {} } }
  }
  const started = async () => ({ run: runOf(RunState.RUN_STATE_RUNNING) })
  const collector = await collectorWith({ run, watch, createRun: started })
  const { out } = await runCommand(collector, 'run mesh --test iperf --sample-hosts 2s --json')
  expect(JSON.parse(out).run.nodes).toMatchObject({ n1: { kernel: '6.1.0-18-amd64' } })
  expect(collector.specs[0]!.hostSampling).toMatchObject({ interval: { seconds: 2 } })
})
