import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { freeTestAddress } from '../testing/test-address.ts'
import { type Document, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

let fleet: TestFleet
let gateway: string

const gate = (...args: string[]) => fleet.meshgauge('gate', '--nodes', 'node-1,node-2,node-3,node-4', ...args)
const NODE_2_CLOSED = /^ {2}✘ node-2: /m

describeLab('health and the gate on a lab of 4 hosts', () => {
  beforeAll(async () => {
    const address = await freeTestAddress('autopilot')
    gateway = `http://${address}`
    fleet = await startTestFleet({
      nodes: 4,
      settings: {
        autopilot: { port: Number(address.split(':')[1]) },
        checks: [{ check: 'interfaces', every: '2s', nodes: ['rack=rack-1', 'node-4'] }],
      },
    })
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('periodic checks run automatically, and the gate opens', async () => {
    await expect.poll(async () => (await gate()).exitCode).toBe(0)
    expect((await gate('--max-age', '1h')).stdout).toBe('✔ Open: 4 nodes may take a job.')
  })

  test('check iperf runs on the collector: it passes, and with a slow sender it fails only on that node', async () => {
    type Checks = {
      checks: {
        node: string
        status: string
        reasons: string[]
        evidence: { name: string; value: number }[]
      }[]
    }
    const check = async (...args: string[]) => {
      const { stdout, exitCode } = await fleet.meshgauge(
        'check',
        'iperf',
        '--param',
        'duration=1s',
        '--json',
        ...args,
      )
      return { exitCode, checks: (JSON.parse(stdout) as Checks).checks }
    }
    const well = await check('--param', 'min=20M', '--param', 'interfaces=["net1"]')
    expect(well.exitCode).toBe(0)
    expect(well.checks.map(({ status }) => status)).toEqual(Array(4).fill('pass'))
    for (const { evidence } of well.checks) expect(evidence.every(({ value }) => value > 20e6)).toBe(true)

    await fleet.fault('rate:node-2:net0:tx:20mbit')
    const slow = await check('--param', 'interfaces=["net0"]')
    await fleet.heal()
    expect(slow.exitCode).toBe(1)
    const failed = slow.checks.filter(({ status }) => status === 'fail')
    expect(failed.map(({ node }) => node)).toEqual(['node-2'])
    expect(failed[0]!.reasons[0]).toMatch(/node-2 sends badly on net0/)
    // The failed check closes the gate until it passes again.
    expect((await gate('--checks', 'iperf')).exitCode).toBe(1)
    await check('--param', 'interfaces=["net0"]')
    expect((await gate('--checks', 'iperf')).exitCode).toBe(0)
  })

  test('an interface that goes down closes the gate with a reason, and the gate opens after repair and a new check', async () => {
    await fleet.inside('node-2', 'ip', 'link', 'set', 'net1', 'down')
    await expect.poll(async () => (await gate('--checks', 'interfaces')).exitCode).toBe(1)
    const closed = await gate('--checks', 'interfaces')
    expect(closed.stdout).toMatch(/^✘ Closed: 1 of 4 nodes may not take a job\.$/m)
    expect(closed.stdout).toMatch(NODE_2_CLOSED)
    expect(closed.stdout).toMatch(/check interfaces fails: net1: is down/)

    await fleet.inside('node-2', 'ip', 'link', 'set', 'net1', 'up')
    await expect.poll(async () => (await gate('--checks', 'interfaces', '--run-missing')).exitCode).toBe(0)
  })

  test('a verdict against a node closes the gate, and a run that clears the node opens it', async () => {
    const mesh = ['run', 'mesh', '--test', 'ping', '--count', '10', '--ping-interval', '50ms']
    await fleet.inside('node-2', 'ip', 'link', 'set', 'net0', 'down')
    const document = await fleet.json(...mesh)
    await fleet.inside('node-2', 'ip', 'link', 'set', 'net0', 'up')
    expect(document.summary.verdicts).toContainEqual(expect.objectContaining({ node: 'node-2' }))
    const closed = await gate('--checks', 'interfaces')
    expect(closed.exitCode).toBe(1)
    expect(closed.stdout).toContain(`ping run ${document.run.id} has a verdict against it`)
    // The first run may start before the neighbour table is filled again.
    await expect
      .poll(async () => {
        await fleet.json(...mesh)
        return (await gate('--checks', 'interfaces')).exitCode
      })
      .toBe(0)
  })

  test('a failed periodic check is in the metrics and in the health table', async () => {
    await fleet.inside('node-3', 'ip', 'link', 'set', 'net0', 'down')
    const metrics = async () => (await fetch(`http://${fleet.http}/metrics`)).text()
    await expect.poll(metrics).toContain('meshgauge_check_severity{node="node-3",check="interfaces"} 2')
    const { stdout, exitCode } = await fleet.meshgauge('health', 'node-3')
    expect(exitCode).toBe(1)
    expect(stdout).toContain('✘ node-3 interfaces: net0: is down')
    await fleet.inside('node-3', 'ip', 'link', 'set', 'net0', 'up')
    await expect.poll(metrics).toContain('meshgauge_check_severity{node="node-3",check="interfaces"} 0')
  })

  test('/iperf measures every pair of the requested nodes on every interface and prints the tables of Autopilot', async () => {
    // Only three nodes, because each round takes 5 s, as in Autopilot.
    const hosts = 'node-1,node-2,node-3'
    const text = await (await fetch(`${gateway}/iperf?pclients=2&startport=5300&host=${hosts}`)).text()
    const { stdout } = await fleet.meshgauge('runs', 'show', 'latest', '--json')
    const document = JSON.parse(stdout) as Document
    expect(document.run).toMatchObject({ label: 'autopilot iperf', state: 'completed' })
    const pad = (words: string) => words.padEnd(40)
    const header = ['src/dst', 'agent_on_node-1', 'agent_on_node-2', 'agent_on_node-3']
    for (const [index, name] of ['net0', 'net1'].entries()) {
      const title = `net1-${index}`
      expect(text).toContain(`Network Throughput ${title}:\n${header.map(pad).join('')}\n`)
      const measured = document.pairs
        .filter(({ source, outcome }) => source.interface === name && outcome === 'measured')
        .map(({ iperf }) => iperf!.bitsPerSecond / 1e9)
      const average = measured.reduce((a, b) => a + b, 0) / measured.length
      expect(text).toContain(`${title} Average Bandwidth Gb/s: ${average.toFixed(2)}\n`)
      expect(average).toBeGreaterThan(0)
    }
    const rows = text.split('\n').filter((line) => /^agent_on_node-\d /.test(line))
    expect(rows).toHaveLength(6)
    expect(rows[0]).toMatch(/^agent_on_node-1 {25}N\/A {37}0\.\d+ +0\.\d+ +$/)
  })

  test('/readinessprobe returns ready, and an unknown host is a bad request with a suggestion', async () => {
    const ready = await fetch(`${gateway}/readinessprobe`)
    expect([ready.status, await ready.json()]).toEqual([201, { Name: 'readinessProbe', Body: 'ready' }])
    const bad = await fetch(`${gateway}/status?host=nod-1&job=default:app%3Dx`)
    expect(bad.status).toBe(400)
    expect(await bad.text()).toContain('did you mean node-1?')
  })
})
