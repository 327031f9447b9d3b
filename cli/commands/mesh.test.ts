import { afterEach, describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import {
  GetMeshResponse,
  MeshEvent,
  Path,
  PathState,
  Resolution,
} from '#proto/meshgauge/collector/v1/mesh.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'
import { judgementOf } from '../testing/run-samples.ts'

afterEach(closeCollectors)

const end = (node: string) => ({ node, interface: 'net0', address: '' })
const at = (seconds: number) => toTimestamp(new Date(seconds * 1000))
const mesh = { schedule: 'always', nodeCount: 4, streamingCount: 4, pathCount: 12, upCount: 12, peerCount: 3 }
const well = GetMeshResponse.fromPartial({
  meshes: [mesh],
  judgement: judgementOf('healthy', 'Healthy. All 12 paths are up.'),
})
const bad = GetMeshResponse.fromPartial({
  meshes: [{ ...mesh, upCount: 9, downCount: 3, problems: ['n4 does not deliver: evil\u001b[2J'] }],
  verdicts: [{ node: 'n4', confidence: 0.99, message: 'n4 is down: its agent is silent.' }],
  judgement: judgementOf('bad', 'n4 is down: its agent is silent.'),
})
const down = Path.fromPartial({
  source: end('n1'),
  destination: end('n4'),
  state: PathState.PATH_STATE_DOWN,
  reason: 'no route',
})
const event = MeshEvent.fromPartial({
  time: at(1_700_000_000),
  source: end('n1'),
  destination: end('n4'),
  before: PathState.PATH_STATE_UP,
  state: PathState.PATH_STATE_DOWN,
  reason: 'no route',
})

describe('mesh', () => {
  test('prints one line and exits with 0 if the mesh is healthy', async () => {
    const collector = await collectorWith({
      mesh: { getMesh: async () => well, listPaths: async () => ({}) },
    })
    const { code, out } = await runCommand(collector, 'mesh')
    expect([code, out.split('\n')[0]]).toEqual([0, 'Healthy. All 12 paths are up.'])
    expect(await runCommand(collector, 'mesh status')).toMatchObject({ code: 0, out })
  })

  test('prints the worst verdict first, then the bad paths, and exits with 1', async () => {
    const collector = await collectorWith({
      mesh: { getMesh: async () => bad, listPaths: async () => ({ paths: [down] }) },
    })
    const { code, out } = await runCommand(collector, 'mesh')
    expect(code).toBe(1)
    expect(out).toMatch(/^✘ n4 is down: its agent is silent\.\n {2}! n4 does not deliver: evil\n/)
    expect(out).toMatch(/n1 +n4 +net0 +down .*no route/)
    const json = await runCommand(collector, 'mesh --json')
    expect(JSON.parse(json.out)).toMatchObject({
      judgement: { state: 'bad', exitCode: 1 },
      meshes: [{ schedule: 'always', downCount: 3 }],
      verdicts: [{ node: 'n4' }],
      badPaths: [{ source: { node: 'n1' }, state: 'down' }],
    })
  })

  test('exits with 3 if there is no mesh', async () => {
    const collector = await collectorWith({
      mesh: { getMesh: async () => ({}), listPaths: async () => ({}) },
    })
    expect(await runCommand(collector, 'mesh')).toMatchObject({
      code: 3,
      out: expect.stringMatching(/^There is no ping mesh/),
    })
  })

  test('paths sends the options to the collector and refuses an unknown state', async () => {
    const requests: unknown[] = []
    const collector = await collectorWith({
      mesh: {
        listPaths: async (request) => {
          requests.push(request)
          return { paths: [down] }
        },
      },
    })
    await runCommand(collector, 'mesh paths --state down,lossy --node n4 --limit 7')
    expect(requests).toMatchObject([
      { states: [PathState.PATH_STATE_DOWN, PathState.PATH_STATE_LOSSY], node: 'n4', pageSize: 7 },
    ])
    expect(await runCommand(collector, 'mesh paths --state broken')).toMatchObject({
      code: 2,
      err: '1 problem; nothing was done.\n  --state  "broken" is not one of up, lossy, down, stale\n',
    })
  })

  test('matrix leaves unmeasured cells empty and marks unreachable ones', async () => {
    const { OUTCOME_MEASURED, OUTCOME_UNREACHABLE, OUTCOME_UNSPECIFIED } = Outcome
    const collector = await collectorWith({
      mesh: {
        getMeshMatrix: async () => ({
          interface: 'net0',
          sources: ['n1', 'n2'],
          destinations: ['n1', 'n2'],
          rows: [
            { cells: [{ outcome: OUTCOME_UNSPECIFIED }, { outcome: OUTCOME_MEASURED, value: 0.0001 }] },
            { cells: [{ outcome: OUTCOME_UNREACHABLE }, { outcome: OUTCOME_UNSPECIFIED }] },
          ],
        }),
      },
    })
    const { out } = await runCommand(collector, 'mesh matrix --measure p50')
    expect(out).toMatch(/round trip, median/)
    expect(out).toMatch(/n2 +unreach/)
    expect(JSON.parse((await runCommand(collector, 'mesh matrix --json')).out).rows).toEqual([
      [null, 0.0001],
      [null, null],
    ])
  })

  test('matrix exits with 3 if nothing was measured', async () => {
    const collector = await collectorWith({
      mesh: { getMeshMatrix: async ({ interface: name }) => ({ interface: name }) },
    })
    const asText = await runCommand(collector, 'mesh matrix --interface net0')
    expect([asText.code, asText.out]).toEqual([
      3,
      'Nothing was measured on net0 in this time. For the state of the mesh: meshgauge mesh\n',
    ])
    expect((await runCommand(collector, 'mesh matrix')).out).toMatch(/^Nothing was measured in this time\./)
    const { code, out } = await runCommand(collector, 'mesh matrix --json')
    expect([code, JSON.parse(out)]).toMatchObject([3, { sources: [], destinations: [], rows: [] }])
  })

  test('history draws the loss of each window as a line, and needs two nodes', async () => {
    const window = (start: number, receivedCount: number) => ({
      startTime: at(start),
      endTime: at(start + 10),
      sentCount: 10,
      receivedCount,
      lossRatio: (10 - receivedCount) / 10,
    })
    const collector = await collectorWith({
      mesh: {
        getPathHistory: async () => ({
          resolution: Resolution.RESOLUTION_RAW,
          windows: [window(0, 10), window(10, 0), window(20, 5)],
          events: [event],
        }),
      },
    })
    const { out, code } = await runCommand(collector, 'mesh history n1 n4')
    expect([code, out.split('\n')[0]]).toEqual([0, 'n1 → n4: 50 % lost of 30 probes, slowest 0 s'])
    expect(out).toContain('loss  ▁█▅')
    expect((await runCommand(collector, 'mesh history n1')).code).toBe(2)
  })

  test('watch prints events until Ctrl-C and exits with 0', async () => {
    const { testTerminal } = await import('../testing/test-terminal.ts')
    const terminal = testTerminal()
    const collector = await collectorWith({
      mesh: {
        async *watchMesh(_, { signal }) {
          yield { event }
          setTimeout(() => terminal.interrupt(), 100)
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        },
      },
    })
    expect(await runCommand(collector, 'mesh watch', terminal)).toMatchObject({
      code: 0,
      out: '2023-11-14T22:13:20.000Z  n1 → n4 on net0  up → down: no route\n',
    })
  })
})
