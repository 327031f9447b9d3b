import { describe, expect, test } from 'vitest'
import { NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { systemClock } from '../../lib/clock.ts'
import { node, useGateway } from './testing/gateway.ts'
import { pciebw } from './testing/results.ts'

const gateway = useGateway()
const { get } = gateway

describe('/status', () => {
  test('all nodes: every reply, then the summary', async () => {
    gateway.answer = ({ node: name }) => pciebw(name === 'node-2' ? [12.3, 3.5] : [12.3, 12])
    const reply = (number: number, verdict: string, values: string, status: string) =>
      `
Autopilot Endpoint: 10.0.0.${number}
Node: node-${number}
url(s): ${gateway.base}/status?host=node-${number}&check=pciebw
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

Initiated connection to ['${gateway.base}/status?host=node-1&check=pciebw'].
Initiated connection to ['${gateway.base}/status?host=node-2&check=pciebw'].
Initiated connection to ['${gateway.base}/status?host=node-3&check=pciebw'].
${reply(1, 'SUCCESS', '12.3 12.0', 'OK')}${reply(2, '[[ PCIEBW ]] FAIL', '12.3 3.5', 'PCIE Failed')}${reply(3, 'SUCCESS', '12.3 12.0', 'OK')}Node Summary:

{'node-1': ['OK'], 'node-2': ['PCIE Failed'], 'node-3': ['OK']}

runtime: 0.0 sec
`,
    )
  })

  test('host and nodelabel are a union; the level reaches dcgm; a silent node is told, not skipped', async () => {
    gateway.nodes[2] = node(3, NodeState.NODE_STATE_SILENT)
    const text = await get('/status?check=dcgm&r=2&host=node-3&nodelabel=gpu%3Da100')
    expect(gateway.asked.map(({ node: name, parameters }) => [name, parameters])).toEqual([
      ['node-1', { level: 2 }],
      ['node-2', { level: 2 }],
    ])
    expect(text).toContain('Asking to run on remote node(s) node-3 or with node label gpu=a100\n\n')
    expect(text).toContain(`url(s): ${gateway.base}/status?host=node-1&check=dcgm&r=2\n`)
    expect(text).toContain(
      'Node: node-3\n' +
        `url(s): ${gateway.base}/status?host=node-3&check=dcgm&r=2\n` +
        'Response:\nServer Disconnected. ABORT\nNode Status: Connection to Server Failed\n',
    )
  })

  test('without a check, the usual ones; a check that is not there does not stop the others', async () => {
    await get('/status?host=node-1')
    expect(gateway.asked.map(({ check }) => check)).toEqual([
      'pciebw',
      'remapped',
      'dcgm',
      'ping',
      'gpupower',
    ])
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
    expect(gateway.asked.map(({ node: name, parameters }) => [name, parameters])).toEqual([
      ['node-1', { targets: [target(2)] }],
      ['node-2', { targets: [target(1)] }],
      ['node-1', {}],
      ['node-1', { targets: [target(3)] }],
    ])
  })

  test('a batch is so many nodes at a time', async () => {
    let [running, most] = [0, 0]
    gateway.answer = async () => {
      most = Math.max(most, ++running)
      await systemClock.sleep(0.02)
      running--
      return pciebw([12])
    }
    await get('/status?check=pciebw&batch=2')
    expect(most).toBe(2)
    expect(gateway.asked).toHaveLength(3)
  })

  test('iperf beside other checks: both run, and the others keep their names', async () => {
    const text = await get('/status?check=pciebw,iperf,ping&host=node-1,node-2')
    expect(text).toMatch(/^Running iperf3 on hosts node-1,node-2 or job None\n\n\[NETWORK\] - \[IPERF\]/)
    expect(gateway.specs[0]!.topology!.nodes).toEqual(['node-1', 'node-2'])
    expect(text).toContain('net1-0 Average Bandwidth Gb/s: 9.40\nAsking to run on remote node(s)')
    expect(gateway.asked.map(({ check }) => check)).toEqual(['pciebw', 'pciebw', 'ping', 'ping'])
    expect(text).not.toContain('not supported')
  })

  test('only iperf: nothing else is asked for', async () => {
    expect(await get('/status?check=iperf')).not.toContain('Asking to run')
    expect(gateway.asked).toEqual([])
  })
})
