import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { IndependentClient } from '../testing/independent-client.ts'
import { describeLab } from '../testing/lab.ts'
import { type MeshStream, openMesh } from '../testing/mesh-stream.ts'
import { type SingleAgentLab, startSingleAgentLab } from '../testing/single-agent-lab.ts'

let lab: SingleAgentLab
let client: IndependentClient
let mesh: MeshStream

describeLab('the ping mesh of one agent, with the default rates', () => {
  beforeEach(async () => {
    lab = await startSingleAgentLab(3)
    client = lab.client()
  })
  /** Opens the mesh stream and waits until every target has a window. */
  const openAndMeasure = async (windowSeconds: number) => {
    mesh = openMesh(client, {
      owner: 'test',
      window: { seconds: windowSeconds },
      groups: ['net0', 'net1'].map((network, group) => ({
        interface: network,
        targets: lab.targets(network).map((target) => ({ ...target, id: target.id + 10 * group })),
      })),
    })
    await mesh.until(() => [1, 2, 11, 12].every((target) => mesh.windowsOf(target).length > 0))
  }
  afterEach(async () => {
    await mesh.end()
    client.close()
    await lab.close()
  })
  const lossesOf = (target: number) => mesh.windowsOf(target).filter(({ sent, received }) => received < sent)

  it('reports a cut path and its recovery before the next window ends, and no other loss', async () => {
    await openAndMeasure(4)
    await lab.fault('cut:node-2:net1:rx')
    // Each lost probe ends a window early. A busy agent may handle several lost probes in one window.
    await mesh.until(() =>
      mesh.windowsOf(11).some(({ start, end, trailing }) => trailing >= 2 && end - start < 3),
    )
    await lab.heal()
    const healedAt = Date.now() / 1000
    await mesh.until(() => mesh.windowsOf(11).some(({ end, trailing }) => end > healedAt && trailing === 0))
    const windows = mesh.windowsOf(11)
    // The count of trailing losses continues from window to window.
    const runs = windows.filter(({ trailing }) => trailing > 0).map(({ trailing }) => trailing)
    expect(runs.length).toBeGreaterThan(1)
    expect(runs).toEqual([...new Set(runs)].sort((a, b) => a - b))
    for (const target of [1, 2, 12]) expect(lossesOf(target)).toEqual([])
  })

  it('reports its own interface as down or missing, counts no loss for it, and recovers', async () => {
    await openAndMeasure(2)
    const reported = (words: string) =>
      mesh.until(
        ({ batches }) =>
          batches
            .at(-1)
            ?.problems?.some(({ groupIndex, reason }) => groupIndex === 1 && reason.includes(words)) ?? false,
      )
    const recovered = async () => {
      const now = Date.now() / 1000
      await mesh.until(({ batches }) => (batches.at(-1)?.problems ?? []).length === 0)
      await mesh.until(() =>
        [11, 12].every((target) => mesh.windowsOf(target).some(({ start }) => start > now)),
      )
    }
    await lab.inside('node-1', 'ip', 'link', 'set', 'net1', 'down')
    await reported('net1 is down')
    await lab.inside('node-1', 'ip', 'link', 'set', 'net1', 'up')
    await recovered()
    await lab.inside('node-1', 'ip', 'link', 'set', 'net1', 'name', 'elsewhere', 'down')
    await reported('there is no interface net1')
    await lab.inside('node-1', 'ip', 'link', 'set', 'elsewhere', 'name', 'net1', 'up')
    await recovered()
    for (const target of [1, 2, 11, 12]) expect(lossesOf(target)).toEqual([])
  })

  it('reports the reason of a lost probe where one is known', async () => {
    await openAndMeasure(2)
    const address = lab.targets('net0')[0]!.address
    // fping prints nothing about packets that the node's own firewall drops.
    const rules = `add table ip own; add chain ip own out { type filter hook output priority 0; }; add rule ip own out ip daddr ${address} icmp type echo-request drop`
    await lab.inside('node-1', 'nft', rules)
    await mesh.until(() => lossesOf(1).some(({ reason }) => reason !== ''))
    expect(lossesOf(1).find(({ reason }) => reason !== '')!.reason).toContain('could not be sent')
    expect(lossesOf(2)).toEqual([])
  })

  it('counts no loss while its process is stopped', async () => {
    await openAndMeasure(2)
    const pid = await lab.pid()
    process.kill(pid, 'SIGSTOP')
    await sleep(3000)
    process.kill(pid, 'SIGCONT')
    const now = Date.now() / 1000
    await mesh.until(() =>
      [1, 2, 11, 12].every((target) => mesh.windowsOf(target).some(({ start }) => start > now)),
    )
    for (const target of [1, 2, 11, 12]) expect(lossesOf(target)).toEqual([])
  })
})
