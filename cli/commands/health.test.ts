import { afterEach, describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import {
  type CheckGateRequest,
  type NodeGate,
  NodeHealth,
  Severity,
} from '#proto/meshgauge/collector/v1/health.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'

afterEach(closeCollectors)

const gateOf = (...nodes: NodeGate[]) => {
  const requests: CheckGateRequest[] = []
  const collector = collectorWith({
    health: {
      checkGate: async (request) => {
        requests.push(request)
        return { open: nodes.every(({ open }) => open), nodes }
      },
    },
  })
  return { requests, collector }
}
const open: NodeGate = { node: 'n1', open: true, reasons: [], unknown: false }
const failed: NodeGate = {
  node: 'n2',
  open: false,
  reasons: ['net0 is down', 'evil\u001b[2J\nline'],
  unknown: false,
}
const silent: NodeGate = { node: 'n3', open: false, reasons: ['the agent does not answer'], unknown: true }

describe('gate', () => {
  test.each<[string, NodeGate[], number, string]>([
    ['open', [open], 0, '✔ Open: 1 node may take a job.\n'],
    [
      'closed: a known problem takes precedence over missing results',
      [open, failed, silent],
      1,
      '✘ Closed: 2 of 3 nodes may not take a job.\n  ✘ n2: net0 is down\n  ✘ n2: evil line\n  ? n3: the agent does not answer\n',
    ],
    [
      'closed: results are missing',
      [open, silent],
      3,
      '? Closed: 1 of 2 nodes may not take a job, because results are missing.\n  ? n3: the agent does not answer\n',
    ],
  ])('%s', async (_name, nodes, code, text) => {
    const { collector } = gateOf(...nodes)
    expect(await runCommand(await collector, 'gate --nodes n1,n2,n3')).toMatchObject({ code, out: text })
  })

  test('sends the options to the collector', async () => {
    const { collector, requests } = gateOf(open)
    await runCommand(await collector, 'gate --nodes a,rack=r1 --max-age 90m --run-missing --checks dcgm,ping')
    await runCommand(await collector, 'gate --nodes a')
    await runCommand(await collector, 'gate --nodes gpu-[01-64,70],login1')
    expect(requests).toMatchObject([
      { nodes: ['a', 'rack=r1'], maxAge: { seconds: 5400 }, runMissing: true, checks: ['dcgm', 'ping'] },
      { nodes: ['a'], maxAge: undefined, runMissing: false, checks: [] },
      { nodes: ['gpu-[01-64,70]', 'login1'] },
    ])
  })

  test('--json prints the decision and the reasons', async () => {
    const { collector } = gateOf(open, silent)
    const { out, code } = await runCommand(await collector, 'gate --nodes n1,n3 --json')
    expect([code, JSON.parse(out)]).toEqual([3, { open: false, nodes: [open, silent] }])
  })
})

describe('health', () => {
  const result = (check: string, status: CheckStatus, reasons: string[] = []) =>
    CheckResult.fromPartial({ check, status, reasons })
  const nodes = [
    NodeHealth.fromPartial({
      node: 'n1',
      severity: Severity.SEVERITY_EVICT,
      checks: [
        {
          result: result('dcgm', CheckStatus.CHECK_STATUS_PASS),
          severity: Severity.SEVERITY_EVICT,
          standingReason: 'EVICT of level 3 stands',
          time: toTimestamp(new Date(0)),
          findings: [{ severity: Severity.SEVERITY_EVICT, parameters: { level: 3 } }],
        },
        {
          result: result('ping', CheckStatus.CHECK_STATUS_WARN, ['10.0.0.2: loses 10 %']),
          severity: Severity.SEVERITY_WARN,
        },
      ],
      runningChecks: ['ping'],
    }),
    NodeHealth.fromPartial({ node: 'n2' }),
  ]

  test('prints the reasons and a table, and exits with 1 if a node is not fit', async () => {
    const collector = await collectorWith({ health: { listNodeHealth: async () => ({ nodes }) } })
    const { code, out } = await runCommand(collector, 'health')
    expect(code).toBe(1)
    // The age depends on the current time.
    expect(
      out.replaceAll(/ +(LAST CHECK|never|\S+ \w+ ago)/g, ' $1').replace(/\d\S* \w+ ago +/, 'X ago '),
    ).toBe(
      `2 nodes, 1 evict, 1 unknown
  ✘ n1 dcgm: EVICT of level 3 stands
  ! n1 ping: 10.0.0.2: loses 10 %

NODE   HEALTH LAST CHECK      DCGM      PING
n1     ✘ evict X ago ✘ evict   ! warn …
n2     ? unknown never
`,
    )
  })

  test('--json has the findings, and a node without results exits with 3', async () => {
    const collector = await collectorWith({
      health: {
        listNodeHealth: async ({ nodes: asked }) => ({ nodes: asked.length > 0 ? [nodes[1]!] : nodes }),
      },
    })
    const { out } = await runCommand(collector, 'health --json')
    expect(JSON.parse(out).nodes[0]).toMatchObject({
      node: 'n1',
      severity: 'evict',
      runningChecks: ['ping'],
      checks: [
        {
          check: 'dcgm',
          severity: 'evict',
          standingReason: 'EVICT of level 3 stands',
          result: { status: 'pass' },
          findings: [{ severity: 'evict', parameters: { level: 3 } }],
        },
        { check: 'ping', severity: 'warn', findings: [] },
      ],
    })
    expect((await runCommand(collector, 'health n2')).code).toBe(3)
  })

  test('clear needs nodes, and prints the number of findings', async () => {
    const asked: unknown[] = []
    const collector = await collectorWith({
      health: {
        clearHealth: async (request) => {
          asked.push(request)
          return { clearedCount: 2 }
        },
      },
    })
    expect(await runCommand(collector, 'health clear n1 rack=r2 --checks dcgm')).toMatchObject({
      code: 0,
      out: 'Cleared 2 findings.\n',
    })
    expect(asked).toMatchObject([{ nodes: ['n1', 'rack=r2'], checks: ['dcgm'] }])
    expect(await runCommand(collector, 'health clear')).toMatchObject({
      code: 2,
      err: '1 problem; nothing was done.\n  SELECTOR  is missing: give the nodes to clear, such as gpu-01\n',
    })
  })
})
