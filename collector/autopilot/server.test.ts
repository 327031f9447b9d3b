import { describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { useGateway } from './testing/gateway.ts'

const gateway = useGateway()
const { get } = gateway

describe('endpoints of single checks', () => {
  test.each([
    ['/pciebw?host=node-1', 'Requesting pcie test with bw: 4\n[[ PCIEBW ]] Briefings completed.'],
    ['/remapped?host=node-1', 'Requesting Remapped Rows check on all GPUs\n\n[[ REMAPPED ROWS ]] Briefings'],
    ['/dcgm?host=node-1', 'DCGM test\n[[ DCGM ]] Briefings completed.'],
    ['/ping', 'Ping test[PING] Pod running ping:  node-1\n[PING] Starting: collecting node list\n'],
    ['/gpumem?host=node-1', 'GPU Memory DGEMM+DAXPY test[[ GPU-MEM ]] ABORT\n'],
    ['/gpupower?host=node-1', 'GPU Power Measurement test!! no Kubernetes. ABORT.\n[[GPU POWER]] ABORT\n'],
    ['/pvc?host=node-1', 'PVC create-delete test\nStorage class not set. Cannot run. ABORT'],
  ])('the reply of %s begins as in Autopilot', async (path, begin) => {
    expect((await get(path)).slice(0, begin.length)).toBe(begin)
  })

  test('/pvc names each of several nodes', async () => {
    expect(await get('/pvc')).toBe(
      `PVC create-delete test\n${[1, 2, 3].map((number) => `Node: node-${number}\nStorage class not set. Cannot run. ABORT`).join('\n')}`,
    )
  })

  test('/gpumem runs gpumem, on all nodes by default', async () => {
    await get('/gpumem')
    expect(gateway.requested.map(({ node: name, check }) => `${name} ${check}`)).toEqual([
      'node-1 gpumem',
      'node-2 gpumem',
      'node-3 gpumem',
    ])
  })

  test('/ping?host= runs on all nodes and pings the host', async () => {
    await get('/ping?host=node-3')
    expect(
      gateway.requested.map(({ node: name, parameters }) => [
        name,
        (parameters.targets as unknown[])?.length,
      ]),
    ).toEqual([
      ['node-1', 1],
      ['node-2', 1],
      ['node-3', undefined],
    ])
  })

  test('/invasive replies at once; dcgm level 3 continues until the gateway closes', async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    gateway.answer = (_request, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          resolve()
          reject(signal.reason)
        })
      })
    expect(await get('/invasive')).toBe(
      "Launching invasive health checks. Results will be added to 'autopilot.ibm.com/gpuhealth' and 'autopilot.ibm.com/dcgm.level.3' node labels\n",
    )
    expect(gateway.requested.map(({ check, parameters }) => [check, parameters])).toEqual(
      new Array(3).fill(['dcgm', { level: 3 }]),
    )
    await gateway.close()
    await aborted
  })

  test('/readinessprobe replies with status 201 and JSON', async () => {
    const response = await fetch(`${gateway.base}/readinessprobe`)
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      201,
      'application/json',
      '{"Name":"readinessProbe","Body":"ready"}\n',
    ])
  })
})

describe('/iperf', () => {
  test('measures a mesh for 5 s with `pclients` streams, and prints the report of Autopilot', async () => {
    const text = await get('/iperf?pclients=4&startport=5300&cleanup')
    expect(gateway.specs[0]).toMatchObject({
      topology: { nodes: [] },
      test: {
        durationSeconds: 5,
        parallelCount: 4,
        zerocopy: true,
        ports: { first: 5300, last: 5335 },
      },
    })
    expect(text).toMatch(
      /^\[NETWORK\] - \[IPERF\] - \[INFO\] : Run run-1: 6 pairs in 2 rounds\n(?:.* -> .*\n){2}\[NETWORK\] - \[IPERF\] - \[INFO\] : Running Interface net1-0 \(net0\)\nNetwork Throughput net1-0:\nsrc\/dst {33}agent_on_node-1 {25}agent_on_node-2 {25}\n/,
    )
    expect(text).toContain('net1-0 Average Bandwidth Gb/s: 9.40\n')
    expect(gateway.logged).toEqual(text.split('\n').filter((line) => line !== ''))
  })

  test('replies with each pair while the test runs: minimum, maximum, mean and aggregate, or its outcome', async () => {
    const { promise: read, resolve } = Promise.withResolvers<void>()
    gateway.watch = () => read
    const response = await fetch(`${gateway.base}/iperf`)
    let text = ''
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part
      // The run ends only after these lines were received.
      if (text.includes('agent_on_node-2 -> agent_on_node-1 (net0): refused')) resolve()
    }
    expect(text).toContain(
      '[NETWORK] - [IPERF] - [INFO] : agent_on_node-1 -> agent_on_node-2 (net0) Gb/s: minimum 9.40, maximum 9.40, mean 9.40, aggregate 9.40\n',
    )
    expect(text).toMatch(
      /net1-0 Bandwidth Gb\/s: minimum 9\.40, maximum 9\.40, mean 9\.40, aggregate 9\.40\n$/,
    )
  })

  test('reports an unsupported workload, a run that is refused and a run that was cancelled', async () => {
    const line = (text: string) => `[NETWORK] - [IPERF] - [ERROR] : ${text}\n`
    expect(await get('/iperf?workload=mesh')).toBe(line('Unsupported Workload Attempted'))
    expect(await get('/iperf?host=node-3')).toBe(line('the run is not valid: no two nodes. ABORT'))
    gateway.runState = RunState.RUN_STATE_CANCELLED
    expect(await get('/iperf')).toContain(line('Run run-1 is cancelled: by an operator. ABORT'))
  })

  test('cancels the run when the client disconnects', async () => {
    const { promise: watching, resolve } = Promise.withResolvers<void>()
    gateway.watch = (signal) => {
      resolve()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const disconnect = new AbortController()
    const request = fetch(`${gateway.base}/iperf`, { signal: disconnect.signal }).then((response) =>
      response.text(),
    )
    await watching
    disconnect.abort()
    await expect(request).rejects.toThrow()
    await expect.poll(() => gateway.cancelled).toEqual(['run-1'])
  })
})
