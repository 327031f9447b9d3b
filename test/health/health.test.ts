import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { dcgm, pciebw, ping, remapped, skipped } from '../../collector/autopilot/testing/results.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-check-fleet.ts'

type NodeHealth = {
  node: string
  severity: string
  runningChecks?: string[]
  checks: {
    result: { check: string; status: string; reasons: string[] }
    severity: string
    standingReason?: string
    findings: { severity: string; result: { evidence: { fatal?: boolean }[] } }[]
  }[]
}
type Gate = {
  open?: boolean
  nodes: { node: string; open?: boolean; reasons: string[]; unknown?: boolean }[]
}

const HEALTH = 'meshgauge.collector.v1.HealthService'
const FLEET = 'meshgauge.collector.v1.FleetService'

let fleet: FakeFleet

const script = (check: string) =>
  ({
    dcgm: dcgm(1),
    pciebw: pciebw([12.3, 12]),
    ping: ping({ 'node-9': true }),
    remapped: remapped([false]),
    pvc: skipped('pvc', 'no Kubernetes'),
  })[check]

const gate = (request: object) => fleet.client().call<Gate>(HEALTH, 'CheckGate', request)
const health = async (node: string) => {
  const { nodes } = await fleet
    .client()
    .call<{ nodes: NodeHealth[] }>(HEALTH, 'ListNodeHealth', { nodes: [node] })
  return nodes[0]!
}
const check = (...args: string[]) => fleet.meshgauge('check', ...args)

beforeAll(async () => {
  fleet = await startFakeFleet({ nodes: 3, checks: ['dcgm', 'pciebw', 'ping', 'pvc', 'remapped'], script })
})
afterEach(() => {
  for (const agent of fleet.agents.values()) agent.setScript(script)
})
afterAll(() => fleet.close())

describe('HealthService and RunChecks, called by an independent client', () => {
  test('a finding of level 3 survives a pass of a lower level and a SIGKILL, until dcgm passes at level 3', async () => {
    fleet
      .agent('node-1')
      .setScript((name, { level }) => (name === 'dcgm' && level === 3 ? dcgm(3, ['PCIe']) : script(name)))
    await check('dcgm', '--nodes', 'node-1', '--param', 'level=3')
    await check('dcgm', '--nodes', 'node-1')
    await fleet.restart('SIGKILL')
    const evicted = await health('node-1')
    expect(evicted.severity).toBe('SEVERITY_EVICT')
    expect(evicted.checks[0]).toMatchObject({
      result: { check: 'dcgm', status: 'CHECK_STATUS_PASS' },
      severity: 'SEVERITY_EVICT',
      standingReason: expect.stringContaining('cleared when dcgm passes at level 3 or higher'),
      findings: [{ severity: 'SEVERITY_EVICT' }],
    })
    expect(evicted.checks[0]!.findings[0]!.result.evidence.some(({ fatal }) => fatal)).toBe(true)
    expect((await gate({ nodes: ['node-1'], checks: ['dcgm'] })).nodes[0]!.reasons).toEqual([
      expect.stringMatching(/^check dcgm: EVICT of level 3 found at .* still applies/),
    ])

    fleet.agent('node-1').setScript(script)
    await check('dcgm', '--nodes', 'node-1', '--param', 'level=3')
    expect((await health('node-1')).severity).toBe('SEVERITY_PASS')
    expect(await gate({ nodes: ['node-1'], checks: ['dcgm'] })).toMatchObject({ open: true })
  })

  test('ClearHealth removes the findings of the requested node and check', async () => {
    fleet.agent('node-2').setScript((name) => (name === 'remapped' ? remapped([true]) : script(name)))
    await check('remapped,dcgm', '--nodes', 'node-2')
    const cleared = await fleet
      .client()
      .call<{ clearedCount?: number }>(HEALTH, 'ClearHealth', { nodes: ['node-2'], checks: ['dcgm'] })
    expect(cleared.clearedCount ?? 0).toBe(0)
    expect((await health('node-2')).severity).toBe('SEVERITY_FAIL')
    const { stdout, exitCode } = await fleet.meshgauge('health', 'clear', 'node-2')
    expect([stdout, exitCode]).toEqual(['Cleared 1 finding.', 0])
    expect((await health('node-2')).severity).toBe('SEVERITY_PASS')
    fleet.agent('node-2').setScript(script)
  })

  test.each<[string, object, string[]]>([
    ['CheckGate', {}, ['nodes: must name at least one node']],
    [
      'CheckGate',
      { nodes: ['nod-1', 'rack=r9', '10.1.2.3'], maxAge: { seconds: -1 }, checks: ['dcmg', 'all'] },
      [
        'nodes[0]: "nod-1" names no node of the fleet; did you mean node-1?',
        'nodes[1]: "rack=r9" names no node of the fleet',
        'nodes[2]: "10.1.2.3" is the address of no node of the fleet',
        'max_age: must be more than 0',
        'checks: must not contain "all"',
      ],
    ],
    [
      'CheckGate',
      { nodes: ['node-1'], checks: ['dcgmi'] },
      ['checks[0]: "dcgmi" is not a check; did you mean dcgm?'],
    ],
    ['ClearHealth', {}, ['nodes: must name at least one node']],
    ['ListNodeHealth', { nodes: ["' OR 1=1 --"] }, [`nodes[0]: "' OR 1=1 --" names no node`]],
  ])('%s %j is refused with all problems', async (method, request, problems) => {
    const refused = fleet.client().call(HEALTH, method, request)
    for (const problem of problems) await expect(refused).rejects.toThrow(problem)
    await expect(refused).rejects.toMatchObject({ code: 3 })
  })

  test('RunChecks refuses hostile selectors, unknown checks and checks that every agent refuses', async () => {
    const run = async (request: object) => {
      const seen: unknown[] = []
      for await (const each of fleet.client().stream<unknown>(FLEET, 'RunChecks', request)) seen.push(each)
      return seen
    }
    const before = fleet.agent('node-1').ran.length
    for (const request of [
      { nodes: ['node-1', '../../etc/passwd'], checks: ['dcgm'] },
      { nodes: ['='], checks: ['dcgm'] },
      { nodes: ['__proto__=x'], checks: ['dcgm'] },
      { nodes: ['x'.repeat(100_000)], checks: ['dcgm'] },
      { nodes: new Array(10_001).fill('node-1'), checks: ['dcgm'] },
      { nodes: Array.from({ length: 5000 }, (_, index) => `☃${index}`), checks: ['dcgm'] },
      { nodes: ['node-1'], checks: [] },
      { nodes: ['node-1'], checks: ['dcgm', 'rm -rf /'] },
    ])
      await expect(run(request)).rejects.toMatchObject({ code: 3 })
    expect(fleet.agent('node-1').ran).toHaveLength(before)
    // Agents list dcgm but refuse to run it.
    for (const agent of fleet.agents.values()) agent.setScript(() => undefined)
    await expect(run({ checks: ['dcgm'] })).rejects.toThrow('"dcgm" is not a check')
    fleet.agent('node-3').setScript(script)
    const mixed = (await run({ checks: ['dcgm'] })) as { node: string; result: { status: string } }[]
    expect(mixed.map(({ node, result }) => `${node} ${result.status}`).sort()).toEqual([
      'node-1 CHECK_STATUS_ERROR',
      'node-2 CHECK_STATUS_ERROR',
      'node-3 CHECK_STATUS_PASS',
    ])
    for (const agent of fleet.agents.values()) agent.setScript(script)
  })
})

describe('ten thousand overlapping requests', () => {
  test('run the check once on each node; the others are refused and counted, and no check remains running', async () => {
    const agents = [...fleet.agents.values()]
    const before = agents.map(({ ran }) => ran.length)
    const releases = agents.map((agent) => agent.block())
    const run = async () => {
      const results: string[] = []
      const stream = fleet
        .client()
        .stream<{ result: { status: string; reasons?: string[] } }>(FLEET, 'RunChecks', {
          checks: ['dcgm'],
        })
      for await (const { result } of stream) results.push(result.status)
      return results
    }
    const flood = Array.from({ length: 3334 }, run)
    const overlaps = async () =>
      [
        ...(await fleet.metrics()).matchAll(/^meshgauge_check_overlaps_total\{.*check="dcgm"\} (\d+)$/gm),
      ].reduce((sum, [, count]) => sum + Number(count), 0)
    await expect.poll(overlaps).toBe(3 * 3333)
    const executed = () => agents.map(({ ran }, index) => ran.length - before[index]!)
    // On a busy machine, an agent may get its call after the others were refused.
    await expect.poll(executed).toEqual([1, 1, 1])
    expect((await health('node-1')).runningChecks).toEqual(['dcgm'])
    for (const release of releases) release()
    const statuses = (await Promise.all(flood)).flat()
    expect(statuses.filter((status) => status === 'CHECK_STATUS_PASS')).toHaveLength(3)
    expect(statuses.filter((status) => status === 'CHECK_STATUS_ERROR')).toHaveLength(3 * 3333)
    expect((await health('node-1')).runningChecks ?? []).toEqual([])
    expect(executed()).toEqual([1, 1, 1])
    expect(Math.max(...agents.map((agent) => agent.maxConcurrent()))).toBe(1)
  })
})

describe('the commands gate and health', () => {
  test('gate is open, closed with reasons, or unknown', async () => {
    await check('ping')
    const open = await fleet.meshgauge('gate', '--nodes', 'node-1,node-2', '--checks', 'ping')
    expect([open.exitCode, open.stdout]).toEqual([0, '✔ Open: 2 nodes may take a job.'])

    fleet.agent('node-2').setScript((name) => (name === 'ping' ? ping({ 'node-3': false }) : script(name)))
    await check('ping', '--nodes', 'node-2')
    const closed = await fleet.meshgauge('gate', '--nodes', 'node-1,node-2', '--checks', 'ping')
    expect(closed.exitCode).toBe(1)
    expect(closed.stdout).toBe(
      '✘ Closed: 1 of 2 nodes may not take a job.\n  ✘ node-2: check ping fails: 10.9.0.3%net0: does not answer',
    )
    const json = await fleet.meshgauge('gate', '--nodes', 'node-1,node-2', '--checks', 'ping', '--json')
    expect(JSON.parse(json.stdout)).toEqual({
      open: false,
      nodes: [
        { node: 'node-1', open: true, reasons: [], unknown: false },
        {
          node: 'node-2',
          open: false,
          reasons: ['check ping fails: 10.9.0.3%net0: does not answer'],
          unknown: false,
        },
      ],
    })
    const unknown = await fleet.meshgauge('gate', '--nodes', 'node-3', '--checks', 'pvc,remapped')
    expect(unknown.exitCode).toBe(3)
    expect(unknown.stdout).toContain('? node-3: check pvc has not been run')
    fleet.agent('node-2').setScript(script)
  })

  test('gate --run-missing runs missing checks, and a skipped required check does not pass', async () => {
    const before = fleet.agent('node-3').ran.length
    const gated = await fleet.meshgauge(
      'gate',
      '--nodes',
      'node-3',
      '--checks',
      'remapped,pvc',
      '--run-missing',
    )
    expect(gated.exitCode).toBe(3)
    expect(gated.stdout).toContain('? node-3: check pvc was skipped: no Kubernetes')
    expect(gated.stdout).not.toContain('remapped')
    expect(
      fleet
        .agent('node-3')
        .ran.slice(before)
        .map((each) => each.check),
    ).toEqual(['remapped', 'pvc'])
  })

  test('invalid options are all reported and exit with 2', async () => {
    const { exitCode, stderr } = await fleet.meshgauge('gate', '--max-age', '5 mins', '--chekcs', 'x')
    expect(exitCode).toBe(2)
    expect(stderr).toBe(`3 problems; nothing was done.
  --chekcs   is not an option; did you mean --checks?
  --nodes    is missing: give the job's nodes, such as gpu-01,gpu-02
  --max-age  "5 mins" is not a duration; write 5m`)
    const unknown = await fleet.meshgauge('gate', '--nodes', 'nod-1,node-2,x')
    expect(unknown.exitCode).toBe(2)
    expect(unknown.stderr).toContain('--nodes  "nod-1" names no node of the fleet; did you mean node-1?')
    expect(unknown.stderr).toContain('--nodes  "x" names no node of the fleet')
  })

  test('health prints a table and the reasons of open findings', async () => {
    fleet.agent('node-1').setScript((name) => (name === 'pciebw' ? pciebw([3.5]) : script(name)))
    await check('pciebw')
    const { stdout, exitCode } = await fleet.meshgauge('health', 'node-1', 'node-3')
    expect(exitCode).toBe(1)
    expect(stdout).toContain('  ✘ node-1 pciebw: 0: only 3.5 GB/s from host to GPU')
    expect(stdout).toMatch(/^NODE +HEALTH +LAST CHECK +DCGM +PCIEBW/m)
    expect(stdout).toMatch(/^node-1 +✘ fail +(now|\d+ s ago) +✔ pass +✘ fail/m)
    fleet.agent('node-1').setScript(script)
    await check('pciebw')
  })

  test('gate exits with 3 when an agent does not answer', async () => {
    await fleet.agent('node-3').close()
    const { exitCode, stdout } = await fleet.meshgauge('gate', '--nodes', 'node-3', '--checks', 'dcgm')
    expect(exitCode).toBe(3)
    expect(stdout).toContain('? node-3: the agent does not answer: connection refused')
  })
})
