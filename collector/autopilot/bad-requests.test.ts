import { describe, expect, test } from 'vitest'
import { useGateway } from './testing/gateway.ts'
import { pciebw } from './testing/results.ts'

const gateway = useGateway()
const { get } = gateway

describe('bad requests', () => {
  test('a request with problems lists all of them, and runs nothing', async () => {
    const response = await fetch(
      `${gateway.base}/status?check=dcgm,iperf&host=nod-1,x&batch=-1&r=9&job=default:app%3Dx&nodelabel=gpu&pclients=0&startport=port&pingnodes=y`,
    )
    expect([response.status, await response.text()]).toEqual([
      400,
      `job: "default:app=x" cannot be resolved without Kubernetes; select the nodes with host= or nodelabel=. ABORT
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
    expect([gateway.requested, gateway.specs]).toEqual([[], []])
  })

  test('the reply for a label without nodes is that of Autopilot', async () => {
    expect(await get('/status?nodelabel=gpu%3Dh100')).toBe('No node is labeled with gpu=h100  - ABORT.\n')
  })

  test('control characters in names do not reach the reply', async () => {
    const text = await get('/status?host=node-1&check=%1b[2J%0d%0aX-Evil:%201,$(reboot)')
    expect(text).toContain('check not supported: [2J X-Evil: 1\ncheck not supported: $(reboot)\nNode Status')
    const response = await fetch(
      `${gateway.base}/status?host=${encodeURIComponent("'; DROP TABLE checks --")}`,
    )
    expect(response.status).toBe(400)
  })

  test.each([
    ['/nothing', {}, 404, '404 page not found\n'],
    ['/iperfservers', {}, 404, '404 page not found\n'],
    ['/status', { method: 'DELETE' }, 405, 'only GET and POST are supported\n'],
    [
      '/invasive',
      { headers: { 'sec-fetch-site': 'cross-site' } },
      403,
      'requests for pages of other sites are refused\n',
    ],
  ])('%s with %j gets status %d', async (path, options, status, text) => {
    const response = await fetch(gateway.base + path, options)
    expect([response.status, await response.text()]).toEqual([status, text])
    expect(gateway.requested).toEqual([])
  })

  test('a bug ends the reply with one line, and the gateway continues to serve', async () => {
    gateway.answer = () => {
      throw new Error('secret')
    }
    expect(await get('/pciebw')).toBe(
      "Requesting pcie test with bw: 4\n\ninternal error; the collector's log has the details. ABORT\n",
    )
    expect((await fetch(`${gateway.base}/readinessprobe`)).status).toBe(201)
  })

  test('of a flood of requests 64 run, and the others get 503', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    gateway.answer = async () => {
      await released
      return pciebw([12.3])
    }
    let refused = 0
    const flood = Array.from({ length: 300 }, async () => {
      const response = await fetch(`${gateway.base}/pciebw?host=node-1`)
      if (response.status === 503) refused++
      return response.text()
    })
    await expect.poll(() => refused).toBe(300 - 64)
    expect(gateway.requested).toHaveLength(64)
    expect((await fetch(`${gateway.base}/readinessprobe`)).status).toBe(201)
    release()
    const texts = await Promise.all(flood)
    expect(texts.filter((text) => text.includes('SUCCESS'))).toHaveLength(64)
    expect(await get('/pciebw?host=node-1')).toContain('SUCCESS')
  })
})
