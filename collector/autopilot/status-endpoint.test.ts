import { describe, expect, test } from 'vitest'

import { node, useGateway } from './testing/gateway.ts'
import { pciebw } from './testing/results.ts'

const gateway = useGateway()
const { get } = gateway

describe('/status', () => {
  test('prints the reply of every node, then the summary', async () => {
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

  test('selects the union of host and nodelabel, passes the level to dcgm, and reports silent nodes', async () => {
    gateway.nodes[2] = node(3, 'silent')
    const text = await get('/status?check=dcgm&r=2&host=node-3&nodelabel=gpu%3Da100')
    expect(gateway.requested.map(({ node: name, parameters }) => [name, parameters])).toEqual([
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

  test('runs the default checks without `check`; an unknown check does not stop the others', async () => {
    await get('/status?host=node-1')
    expect(gateway.requested.map(({ check }) => check)).toEqual([
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

  test('ping probes the selected nodes, or all peers when only the node itself is selected', async () => {
    await get('/status?check=ping&host=node-1,node-2')
    await get('/status?check=ping&host=node-1')
    await get('/status?check=ping&host=node-1&pingnodes=node-3')
    const target = (number: number) => ({
      node: `node-${number}`,
      address: `10.9.0.${number}`,
      interface: 'net0',
    })
    expect(gateway.requested.map(({ node: name, parameters }) => [name, parameters])).toEqual([
      ['node-1', { targets: [target(2)] }],
      ['node-2', { targets: [target(1)] }],
      ['node-1', {}],
      ['node-1', { targets: [target(3)] }],
    ])
  })

  test('runs checks on at most `batch` nodes at a time', async () => {
    let [activeCount, maxActiveCount] = [0, 0]
    const bothActive = Promise.withResolvers<void>()
    gateway.answer = async () => {
      maxActiveCount = Math.max(maxActiveCount, ++activeCount)
      if (activeCount === 2) bothActive.resolve()
      await bothActive.promise
      activeCount--
      return pciebw([12])
    }
    await get('/status?check=pciebw&batch=2')
    expect(maxActiveCount).toBe(2)
    expect(gateway.requested).toHaveLength(3)
  })

  test('runs iperf and the other checks of a list', async () => {
    const text = await get('/status?check=pciebw,iperf,ping&host=node-1,node-2')
    expect(text).toMatch(/^Running iperf3 on hosts node-1,node-2 or job None\n\n\[NETWORK\] - \[IPERF\]/)
    expect(gateway.specs[0]!.topology!.nodes).toEqual(['node-1', 'node-2'])
    expect(text).toContain('aggregate 9.40\nAsking to run on remote node(s)')
    expect(gateway.requested.map(({ check }) => check)).toEqual(['pciebw', 'pciebw', 'ping', 'ping'])
    expect(text).not.toContain('not supported')
  })

  test('runs no other check for check=iperf', async () => {
    expect(await get('/status?check=iperf')).not.toContain('Asking to run')
    expect(gateway.requested).toEqual([])
  })
})
