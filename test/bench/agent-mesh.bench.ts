/**
 * CPU of an agent with a mesh of 1,000 targets probed each second, compared with fping alone with the same arguments. Both
 * run one after the other, on loopback targets.
 */

import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { openIndependentClient } from '../testing/independent-client.ts'
import { openMesh } from '../testing/mesh-stream.ts'
import { measuringProgramsOf } from '../testing/process-tree.ts'
import { startAgent } from '../testing/service-process.ts'
import { costOf, expectAtLeast, expectAtMost, memoryOf } from './figures.ts'

const TARGETS = 1000
const SECONDS = 20
const ROUNDS = 3

const addresses = Array.from({ length: TARGETS }, (_, index) => `127.9.${index >> 8}.${index & 255 || 255}`)
const unique = [...new Set(addresses)]
const percent = (ratio: number) => `${(ratio * 100).toFixed(2)} %`

/** CPU ratio of fping alone, with the arguments of the agent. */
const costOfFping = async (args: readonly string[]): Promise<number> => {
  const child = spawn('fping', args, { stdio: 'ignore' })
  await sleep(2000)
  const { cpuRatio } = await costOf(child.pid!, SECONDS)
  child.kill()
  return cpuRatio
}

// The first start of a new bundle compiles it, which takes 8 MiB more; later ones read Node's compile cache.
await startAgent().then((first) => first.stop('SIGTERM'))
const agent = await startAgent()
const client = openIndependentClient(agent.port)
try {
  await sleep(3000)
  const idle = await costOf(agent.pid, 5)
  console.log(`idle agent: ${percent(idle.cpuRatio)} of a core; ${memoryOf(agent.pid).text}`)
  const assignment = {
    owner: 'bench',
    groups: [{ targets: unique.map((address, index) => ({ id: index + 1, address })) }],
  }
  let [all, allBare] = [0, 0]
  for (let round = 0; round < ROUNDS; round++) {
    const mesh = openMesh(client, assignment)
    await mesh.until(({ windows }) => windows.length >= unique.length, 30)
    const args = measuringProgramsOf(agent.pid)[0]!.command.split(' ').slice(1)
    const busy = await costOf(agent.pid, SECONDS)
    // Relative to the duration of the windows, because the number of windows that end in the measured time varies.
    const received = mesh.seen.windows.slice(unique.length)
    const probes = received.reduce((sum, { sent }) => sum + sent, 0)
    const seconds = received.reduce((sum, { start, end }) => sum + end - start, 0)
    const lost = mesh.seen.windows.reduce((sum, { sent, received }) => sum + sent - received, 0)
    const memory = memoryOf(agent.pid)
    await mesh.end()
    const bare = await costOfFping(args)
    const together = busy.cpuRatio + busy.childrenCpuRatio
    all += together
    allBare += bare
    console.log(
      `fping alone ${percent(bare)}; agent ${percent(busy.cpuRatio)} and its fping ${percent(busy.childrenCpuRatio)}: ${(together / bare).toFixed(2)} times; ${memory.text}; ${((probes / seconds) * unique.length).toFixed(0)} probes/s, ${lost} lost`,
    )
    expectAtLeast('share of the probes in received windows', probes / seconds, 0.9)
  }
  // Over all rounds: one round has only about 80 clock ticks, too few for a precise ratio.
  expectAtMost('agent and fping over fping alone', all / allBare, 1.5)
  expectAtMost('memory of the agent', memoryOf(agent.pid).residentMebibytes, 80, ' MiB')
} finally {
  client.close()
  await agent.stop('SIGTERM')
}
