import { afterAll, beforeAll, expect, test } from 'vitest'
import { limitCpu } from '../testing/cpu-quota.ts'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { pingMesh, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

type MeshReply = { judgement: { state: string; headline: string; notes?: string[] } }

const BULK = ['run', 'mesh', '--test', 'iperf', '--duration', '1s', '--interface', 'net1']

describeLab('faults that the agents see themselves', () => {
  let fleet: TestFleet
  const ip = async (node: string, ...command: string[]) => {
    const { exitCode, stderr } = await fleet.inside(node, 'ip', ...command)
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
  }
  const addressOf = (node: string) =>
    fleet.lab.nodes.find(({ name }) => name === node)!.interfaces.find(({ name }) => name === 'net1')!.address
  const setMtu = async (bytes: number, nodes: readonly string[]) => {
    for (const node of nodes) {
      await ip(node, 'link', 'set', 'net1', 'mtu', String(bytes))
      await fleet.inSwitch('ip', 'link', 'set', fleet.portOf(node, 'net1'), 'mtu', String(bytes))
    }
  }
  const names = () => fleet.lab.nodes.map(({ name }) => name)

  /** The IPv6 address is removed too: the pairs would be measured with it. */
  const replaceAddress = async (node: string, from: string, to: string) => {
    await ip(node, 'address', 'del', from, 'dev', 'net1')
    await ip(node, '-6', 'address', 'flush', 'dev', 'net1', 'scope', 'global')
    await ip(node, 'address', 'add', to, 'dev', 'net1')
  }

  beforeAll(async () => {
    fleet = await startTestFleet({ nodes: 5, settings: { default_schedules: true } })
    await fleet.untilReady()
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('a healthy fleet has no notes', async () => {
    const document = await fleet.json(...pingMesh(5, '50ms'))
    expect(document.exitCode).toBe(0)
    expect(document.summary.judgement.notes).toEqual([])
  })

  test('a limit for packet sizes in one direction is known to the byte', async () => {
    const port = fleet.portOf('node-2', 'net1')
    const rules = `table netdev black_hole {
      chain ingress {
        type filter hook ingress device "${port}" priority 0
        ip length > 1000 drop
      }
    }`
    await fleet.inSwitch('nft', rules)
    const document = await fleet.json(...BULK)
    await fleet.inSwitch('nft', 'delete table netdev black_hole')
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({
        kind: 'interface',
        node: 'node-2',
        interface: 'net1',
        direction: 'tx',
        message: expect.stringMatching(/^node-2 sends nothing larger than 1,000 bytes on net1\./),
      }),
    ])
    expect(document.exitCode).toBe(1)
  })

  test('one MTU of 1500 among 9000 is a note, and the verdict when large pings fail', async () => {
    await setMtu(9000, names())
    await setMtu(1500, ['node-3'])
    const note = 'node-3 net1 has MTU 1500, its 4 peers 9000'
    const harmless = await fleet.json(...pingMesh(5, '50ms'), '--interface', 'net1')
    const large = await fleet.json(
      ...pingMesh(5, '50ms'),
      ...['--interface', 'net1', '--size', '8000', '--dont-fragment'],
    )
    const bulk = await fleet.json(...BULK)
    await setMtu(1500, names())
    // TCP adapts its segments to both ends.
    expect(bulk.exitCode).toBe(0)
    expect(bulk.summary.judgement.notes).toEqual([`${note}.`])
    expect(harmless.exitCode).toBe(0)
    expect(harmless.summary.judgement.notes).toEqual([`${note}.`])
    expect(large.exitCode).toBe(1)
    expect(large.summary.verdicts).toEqual([
      expect.objectContaining({
        kind: 'interface',
        node: 'node-3',
        interface: 'net1',
        message: `${note}. 8 of its 8 pairs fail.`,
      }),
    ])
  })

  test('two interfaces in one network are the cause of pairs that fail', async () => {
    const address = addressOf('node-4')
    const inNet0 = '198.18.0.104'
    await replaceAddress('node-4', `${address}/22`, `${inNet0}/22`)
    const document = await fleet.json(...pingMesh(5, '50ms'))
    await replaceAddress('node-4', `${inNet0}/22`, `${address}/22`)
    expect(document.exitCode).toBe(1)
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({ kind: 'interface', node: 'node-4', interface: 'net1' }),
    ])
    expect(document.summary.verdicts[0]!.message).toContain(
      'node-4 has net0 and net1 in one network, 198.18.0.0/22: each answers for the other',
    )
  })

  test('an address outside the network of its peers is named, by a run and by the mesh', async () => {
    const address = addressOf('node-2')
    const text = 'node-2 net1 has 198.18.99.2/22, outside 198.18.4.0/22, the network of its 4 peers.'
    const meshAnswer = () => fleet.client.call<MeshReply>('meshgauge.collector.v1.MeshService', 'GetMesh', {})
    await eventually(meshAnswer, ({ judgement }) => judgement.state === 'JUDGEMENT_STATE_HEALTHY')
    await replaceAddress('node-2', `${address}/22`, '198.18.99.2/22')
    const document = await fleet.json(...pingMesh(5, '50ms'), '--interface', 'net1')
    // The mesh may still answer for node-4, whose address has just been restored.
    await eventually(meshAnswer, ({ judgement: { notes = [], headline } }) =>
      `${notes.join(' ')} ${headline}`.includes(text),
    )
    await replaceAddress('node-2', '198.18.99.2/22', `${address}/22`)
    expect(document.exitCode).toBe(1)
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({
        kind: 'interface',
        node: 'node-2',
        interface: 'net1',
        message: `${text} 8 of its 8 pairs fail.`,
      }),
    ])
  })

  test('a host with too little processor time makes its own results invalid, and nobody is accused', async () => {
    const quota = limitCpu([await fleet.pidOf('agent-node-2')], 0.02)
    try {
      const document = await fleet.json(...BULK)
      expect(document.summary.verdicts).toEqual([
        expect.objectContaining({
          kind: 'program',
          node: 'node-2',
          message: expect.stringMatching(
            /^CPU of node-2 could not keep up: .* \d+ % of the .* no peer and no link is blamed\.$/,
          ),
        }),
      ])
      for (const { source, destination, outcome } of document.pairs)
        if (![source.node, destination.node].includes('node-2')) expect(outcome).toBe('measured')
    } finally {
      await quota.remove()
    }
    expect((await fleet.json(...BULK)).exitCode).toBe(0)
  })
})
