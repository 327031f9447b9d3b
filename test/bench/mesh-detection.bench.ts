/** Time from a cut until the agent reports two lost probes, with the default rates. */

import { setTimeout as sleep } from 'node:timers/promises'
import { openMesh } from '../testing/mesh-stream.ts'
import { startSingleAgentLab } from '../testing/single-agent-lab.ts'
import { expectAtMost, median } from './figures.ts'

const CUTS = Number(process.env.CUTS ?? 20)
const KINDS = ['cut:node-2:net1:rx', 'cut:node-2:net1:both'] as const

const lab = await startSingleAgentLab(4)
const client = lab.client()
try {
  const mesh = openMesh(client, {
    owner: 'bench',
    groups: [{ interface: 'net1', targets: lab.targets('net1') }],
  })
  await mesh.until(({ batches }) => batches.length > 2)
  for (const kind of KINDS) {
    const seconds: number[] = []
    const back: number[] = []
    for (let cut = 0; cut < CUTS; cut++) {
      await sleep(1500 + Math.random() * 1000)
      const at = Date.now() / 1000
      await lab.fault(kind)
      const cutAt = Date.now() / 1000
      const reported = () => mesh.windowsOf(1).find(({ end, trailing }) => end > at && trailing >= 2)
      await mesh.until(() => reported() !== undefined)
      seconds.push(reported()!.arrivedAt - (at + cutAt) / 2)
      const before = Date.now() / 1000
      await lab.heal()
      const answered = () => mesh.windowsOf(1).find(({ end, trailing }) => end > before && trailing === 0)
      await mesh.until(() => answered() !== undefined)
      back.push(answered()!.arrivedAt - before)
    }
    const show = (values: number[]) =>
      `min ${Math.min(...values).toFixed(2)}  median ${median(values).toFixed(2)}  max ${Math.max(...values).toFixed(2)} s`
    console.log(
      `${kind}, ${CUTS} times: two lost probes reported after ${show(seconds)}; back after ${show(back)}`,
    )
    console.log(
      `  ${seconds
        .map((value) => value.toFixed(2))
        .sort()
        .join(' ')}`,
    )
    expectAtMost('from the cut to two lost probes', Math.max(...seconds), 3, ' s')
  }
  const others = mesh.seen.windows.filter(({ target, sent, received }) => target !== 1 && received < sent)
  expectAtMost('windows of other targets with losses', others.length, 0)
  await mesh.end()
} finally {
  client.close()
  await lab.close()
}
