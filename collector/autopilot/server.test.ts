import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { Run, type RunSpec, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { systemClock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import { createLogger } from '../../lib/logging.ts'
import type { Health } from '../health/health.ts'
import { AUTOPILOT_DEFAULTS } from '../inventory/config.ts'
import type { HttpServer } from '../telemetry/listening.ts'
import { failedPair, iperfPair } from '../telemetry/samples.ts'
import { listenAutopilot } from './server.ts'
import { freePort } from './testing/free-port.ts'
import { dcgm, pciebw, ping, remapped, skipped } from './testing/results.ts'

const node = (number: number, state: NodeState = NodeState.NODE_STATE_READY): Node =>
  Node.fromPartial({
    name: `node-${number}`,
    address: `10.0.0.${number}:50051`,
    labels: { gpu: number < 3 ? 'a100' : 'none' },
    state,
    interfaces: ['net0'],
    description: { interfaces: [{ name: 'net0', addresses: [`10.9.0.${number}/24`] }] },
  })

type Asked = { node: string; check: string; parameters: Record<string, unknown> }

let nodes: Node[]
let asked: Asked[]
let specs: RunSpec[]
let cancelled: string[]
let answer: (request: Asked, signal: AbortSignal) => CheckResult | Promise<CheckResult>
let watch: (signal: AbortSignal) => Promise<void>
let results: PairResult[]
let runState: RunState
let server: HttpServer
let base: string

const health: Pick<Health, 'run'> = {
  async *run(request, signal) {
    const each = {
      node: request.nodes[0]!,
      check: request.checks[0]!,
      parameters: { ...request.parameters },
    }
    asked.push(each)
    yield { node: each.node, result: await answer(each, signal) }
  },
}

const run = (state: RunState) =>
  Run.fromPartial({ id: 'run-1', state, plan: { pairCount: 6, roundCount: 2 }, stateReason: 'told to' })

beforeEach(async () => {
  nodes = [1, 2, 3].map((number) => node(number))
  asked = []
  specs = []
  cancelled = []
  results = [iperfPair('node-1', 'node-2', 9.4e9), failedPair('node-2', 'node-1', Outcome.OUTCOME_REFUSED)]
  runState = RunState.RUN_STATE_COMPLETED
  watch = async () => undefined
  answer = ({ check }) =>
    ({ pciebw: pciebw([12.3]), dcgm: dcgm(1), remapped: remapped([false]), ping: ping({ 'node-9': true }) })[
      check
    ] ?? skipped(check, 'no Kubernetes')
  const port = await freePort()
  server = await listenAutopilot({
    clock: { ...systemClock, monotonicSeconds: () => 100 },
    logger: createLogger('test', 'silent'),
    fleet: { nodes: () => nodes, settled: Promise.resolve() },
    health,
    runs: {
      create: async (spec) => {
        specs.push(spec)
        if (spec.topology?.nodes.includes('node-3'))
          throw new OperatingError('SPEC_INVALID', 'the run is not valid: no two nodes')
        return run(RunState.RUN_STATE_RUNNING)
      },
      async *watch(_id, signal) {
        await watch(signal)
        yield { run: run(runState), results: [] }
      },
      get: () => run(RunState.RUN_STATE_RUNNING),
      cancel: (id) => {
        cancelled.push(id)
        return run(RunState.RUN_STATE_CANCELLED)
      },
    },
    results: () => results,
    options: { ...AUTOPILOT_DEFAULTS, port },
  })
  base = `http://127.0.0.1:${server.port}`
})
afterEach(() => server.close())

const get = async (path: string): Promise<string> => (await fetch(base + path)).text()

describe('/status', () => {
  test('all nodes: every reply, then the summary', async () => {
    answer = ({ node: name }) => pciebw(name === 'node-2' ? [12.3, 3.5] : [12.3, 12])
    const reply = (number: number, verdict: string, values: string, status: string) =>
      `
Autopilot Endpoint: 10.0.0.${number}
Node: node-${number}
url(s): ${base}/status?host=node-${number}&check=pciebw
Response:
[[ PCIEBW ]] Briefings completed. Continue with PCIe Bandwidth evaluation.
${verdict}
Host  node-${number}
${values}

Node Status: ${status}
-------------------------------------

`
    expect(await get('/status?check=pciebw')).toBe(
      `Asking to run on remote node(s) all or with node label None

Initiated connection to ['${base}/status?host=node-1&check=pciebw'].
Initiated connection to ['${base}/status?host=node-2&check=pciebw'].
Initiated connection to ['${base}/status?host=node-3&check=pciebw'].
${reply(1, 'SUCCESS', '12.3 12.0', 'OK')}${reply(2, '[[ PCIEBW ]] FAIL', '12.3 3.5', 'PCIE Failed')}${reply(3, 'SUCCESS', '12.3 12.0', 'OK')}Node Summary:

{'node-1': ['OK'], 'node-2': ['PCIE Failed'], 'node-3': ['OK']}

runtime: 0.0 sec
`,
    )
  })

  test('host and nodelabel are a union; the level reaches dcgm; a silent node is told, not skipped', async () => {
    nodes[2] = node(3, NodeState.NODE_STATE_SILENT)
    const text = await get('/status?check=dcgm&r=2&host=node-3&nodelabel=gpu%3Da100')
    expect(asked.map(({ node: name, parameters }) => [name, parameters])).toEqual([
      ['node-1', { level: 2 }],
      ['node-2', { level: 2 }],
    ])
    expect(text).toContain('Asking to run on remote node(s) node-3 or with node label gpu=a100\n\n')
    expect(text).toContain(`url(s): ${base}/status?host=node-1&check=dcgm&r=2\n`)
    expect(text).toContain(
      'Node: node-3\n' +
        `url(s): ${base}/status?host=node-3&check=dcgm&r=2\n` +
        'Response:\nServer Disconnected. ABORT\nNode Status: Connection to Server Failed\n',
    )
  })

  test('without a check, the usual ones; a check that is not there does not stop the others', async () => {
    await get('/status?host=node-1')
    expect(asked.map(({ check }) => check)).toEqual(['pciebw', 'remapped', 'dcgm', 'ping', 'gpupower'])
    const text = await get('/status?host=node-1&check=pvc,nccl,pciebw')
    expect(text).toContain(
      'Response:\nStorage class not set. Cannot run. ABORT\ncheck not supported: nccl\n[[ PCIEBW ]] Briefings',
    )
    expect(await get('/status?host=node-1&check=nccl')).toContain(
      'Response:\ncheck not supported: nccl\nNode Status: OK\n',
    )
  })

  test('ping reaches the named nodes, or all where that leaves nobody', async () => {
    await get('/status?check=ping&host=node-1,node-2')
    await get('/status?check=ping&host=node-1')
    await get('/status?check=ping&host=node-1&pingnodes=node-3')
    const target = (number: number) => ({
      node: `node-${number}`,
      address: `10.9.0.${number}`,
      interface: 'net0',
    })
    expect(asked.map(({ node: name, parameters }) => [name, parameters])).toEqual([
      ['node-1', { targets: [target(2)] }],
      ['node-2', { targets: [target(1)] }],
      ['node-1', {}],
      ['node-1', { targets: [target(3)] }],
    ])
  })

  test('a batch is so many nodes at a time', async () => {
    let [running, most] = [0, 0]
    answer = async () => {
      most = Math.max(most, ++running)
      await systemClock.sleep(0.02)
      running--
      return pciebw([12])
    }
    await get('/status?check=pciebw&batch=2')
    expect(most).toBe(2)
    expect(asked).toHaveLength(3)
  })

  test('iperf beside other checks: both run, and the others keep their names', async () => {
    const text = await get('/status?check=pciebw,iperf,ping&host=node-1,node-2')
    expect(text).toMatch(/^Running iperf3 on hosts node-1,node-2 or job None\n\n\[NETWORK\] - \[IPERF\]/)
    expect(specs[0]!.topology!.nodes).toEqual(['node-1', 'node-2'])
    expect(text).toContain('net1-0 Average Bandwidth Gb/s: 9.40\nAsking to run on remote node(s)')
    expect(asked.map(({ check }) => check)).toEqual(['pciebw', 'pciebw', 'ping', 'ping'])
    expect(text).not.toContain('not supported')
  })

  test('only iperf: nothing else is asked for', async () => {
    expect(await get('/status?check=iperf')).not.toContain('Asking to run')
    expect(asked).toEqual([])
  })
})

describe('single endpoints', () => {
  test.each([
    ['/pciebw?host=node-1', 'Requesting pcie test with bw: 4\n[[ PCIEBW ]] Briefings completed.'],
    ['/remapped?host=node-1', 'Requesting Remapped Rows check on all GPUs\n\n[[ REMAPPED ROWS ]] Briefings'],
    ['/dcgm?host=node-1', 'DCGM test\n[[ DCGM ]] Briefings completed.'],
    ['/ping', 'Ping test[PING] Pod running ping:  node-1\n[PING] Starting: collecting node list\n'],
    ['/gpumem?host=node-1', 'GPU Memory DGEMM+DAXPY test[[ GPU-MEM ]] ABORT\n'],
    ['/gpupower?host=node-1', 'GPU Power Measurement test!! no Kubernetes. ABORT.\n[[GPU POWER]] ABORT\n'],
    ['/pvc?host=node-1', 'PVC create-delete test\nStorage class not set. Cannot run. ABORT'],
  ])('%s', async (path, begin) => {
    expect((await get(path)).slice(0, begin.length)).toBe(begin)
  })

  test('/gpumem runs gpumem, and all nodes are asked unless some are named', async () => {
    await get('/gpumem')
    expect(asked.map(({ node: name, check }) => `${name} ${check}`)).toEqual([
      'node-1 gpumem',
      'node-2 gpumem',
      'node-3 gpumem',
    ])
  })

  test('/ping?host= runs everywhere and reaches the host', async () => {
    await get('/ping?host=node-3')
    expect(
      asked.map(({ node: name, parameters }) => [name, (parameters.targets as unknown[])?.length]),
    ).toEqual([
      ['node-1', 1],
      ['node-2', 1],
      ['node-3', undefined],
    ])
  })

  test('/invasive answers at once; dcgm level 3 goes on until the gateway closes', async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    answer = (_request, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          resolve()
          reject(signal.reason)
        })
      })
    expect(await get('/invasive')).toBe(
      "Launching invasive health checks. Results will be added to 'autopilot.ibm.com/gpuhealth' and 'autopilot.ibm.com/dcgm.level.3' node labels\n",
    )
    expect(asked.map(({ check, parameters }) => [check, parameters])).toEqual(
      new Array(3).fill(['dcgm', { level: 3 }]),
    )
    await server.close()
    await aborted
  })

  test('/readinessprobe is 201 and JSON', async () => {
    const response = await fetch(`${base}/readinessprobe`)
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      201,
      'application/json',
      '{"Name":"readinessProbe","Body":"ready"}\n',
    ])
  })
})

describe('/iperf', () => {
  test('a mesh of 5 s with pclients streams and the old report', async () => {
    const text = await get('/iperf?pclients=4&startport=5300&cleanup')
    expect(specs[0]).toMatchObject({
      topology: { nodes: [] },
      test: {
        value: {
          options: { duration: { seconds: 5 }, parallelCount: 4, zerocopy: true },
          ports: { first: 5300, last: 5335 },
        },
      },
    })
    expect(text).toMatch(
      /^\[NETWORK\] - \[IPERF\] - \[INFO\] : Run run-1: 6 pairs in 2 rounds\n\[NETWORK\] - \[IPERF\] - \[INFO\] : Running Interface net1-0 \(net0\)\nNetwork Throughput net1-0:\nsrc\/dst {33}agent_on_node-1 {25}agent_on_node-2 {25}\n/,
    )
    expect(text).toMatch(/net1-0 Average Bandwidth Gb\/s: 9\.40\n$/)
  })

  test('another workload, a run that cannot begin and one that was cancelled say so', async () => {
    const line = (text: string) => `[NETWORK] - [IPERF] - [ERROR] : ${text}\n`
    expect(await get('/iperf?workload=mesh')).toBe(line('Unsupported Workload Attempted'))
    expect(await get('/iperf?host=node-3')).toBe(line('the run is not valid: no two nodes. ABORT'))
    runState = RunState.RUN_STATE_CANCELLED
    expect(await get('/iperf')).toContain(line('Run run-1 is cancelled: told to. ABORT'))
  })

  test('who hangs up ends the run', async () => {
    const { promise: watching, resolve } = Promise.withResolvers<void>()
    watch = (signal) => {
      resolve()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const leaving = new AbortController()
    const request = fetch(`${base}/iperf`, { signal: leaving.signal }).then((response) => response.text())
    await watching
    leaving.abort()
    await expect(request).rejects.toThrow()
    await expect.poll(() => cancelled).toEqual(['run-1'])
  })
})

describe('bad input', () => {
  test('every problem is told, and nothing is run', async () => {
    const response = await fetch(
      `${base}/status?check=dcgm,iperf&host=nod-1,x&batch=-1&r=9&job=default:app%3Dx&nodelabel=gpu&pclients=0&startport=port&pingnodes=y`,
    )
    expect([response.status, await response.text()]).toEqual([
      400,
      `job: this collector has no Kubernetes to find the nodes of "default:app=x" in; name them with host= or nodelabel=. ABORT
host: "nod-1" names no node of the fleet; did you mean node-1?. ABORT
host: "x" names no node of the fleet; the fleet has 3 nodes. ABORT
nodelabel: "gpu" is not key=value. ABORT
batch: "-1" is not a whole number from 0 to 9007199254740991. ABORT
r: "9" is not a whole number from 1 to 4. ABORT
pingnodes: "y" names no node of the fleet. ABORT
pclients: "0" is not a whole number from 1 to 128. ABORT
startport: "port" is not a whole number from 1 to 65535. ABORT
`,
    ])
    expect([asked, specs]).toEqual([[], []])
  })

  test('a label that nobody has is answered as it was', async () => {
    expect(await get('/status?nodelabel=gpu%3Dh100')).toBe('No node is labeled with gpu=h100  - ABORT.\n')
  })

  test('hostile names stay text', async () => {
    const text = await get('/status?host=node-1&check=%1b[2J%0d%0aX-Evil:%201,$(reboot)')
    expect(text).toContain('check not supported: [2J X-Evil: 1\ncheck not supported: $(reboot)\nNode Status')
    const response = await fetch(`${base}/status?host=${encodeURIComponent("'; DROP TABLE checks --")}`)
    expect(response.status).toBe(400)
  })

  test.each([
    ['/nothing', {}, 404, '404 page not found\n'],
    ['/iperfservers', {}, 404, '404 page not found\n'],
    ['/status', { method: 'DELETE' }, 405, 'only GET and POST\n'],
    ['/invasive', { headers: { 'sec-fetch-site': 'cross-site' } }, 403, 'not for pages of other sites\n'],
  ])('%s %j is %d', async (path, options, status, text) => {
    const response = await fetch(base + path, options)
    expect([response.status, await response.text()]).toEqual([status, text])
    expect(asked).toEqual([])
  })

  test('a failure of ours ends the text with one line, and the gateway goes on', async () => {
    answer = () => {
      throw new Error('secret')
    }
    expect(await get('/pciebw')).toBe(
      "Requesting pcie test with bw: 4\n\ninternal error; the collector's log has the details. ABORT\n",
    )
    expect((await fetch(`${base}/readinessprobe`)).status).toBe(201)
  })

  test('a flood is answered, most of it with 503, and does not run what it asks for', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    answer = async () => {
      await released
      return pciebw([12.3])
    }
    let refused = 0
    const flood = Array.from({ length: 300 }, async () => {
      const response = await fetch(`${base}/pciebw?host=node-1`)
      if (response.status === 503) refused++
      return response.text()
    })
    await expect.poll(() => refused).toBe(300 - 64)
    expect(asked).toHaveLength(64)
    expect((await fetch(`${base}/readinessprobe`)).status).toBe(201)
    release()
    const texts = await Promise.all(flood)
    expect(texts.filter((text) => text.includes('SUCCESS'))).toHaveLength(64)
    expect(await get('/pciebw?host=node-1')).toContain('SUCCESS')
  })
})
