import type { Fabric } from './fabric.ts'
import type { Program, ProgramIo } from './processes.ts'

const WITH_VALUE = new Set(['-c', '-p', '-t', '-i', '-b', '-H', '-O', '-I', '-S'])

const parse = (args: readonly string[]) => {
  const values = new Map<string, string>()
  const flags = new Set<string>()
  const targets: string[] = []
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!
    if (WITH_VALUE.has(word)) values.set(word, args[++index] ?? '')
    else if (word.startsWith('-')) flags.add(word)
    else targets.push(word)
  }
  const milliseconds = (name: string, otherwise: number) => Number(values.get(name) ?? otherwise) / 1000
  return {
    flags,
    targets,
    count: flags.has('-l') ? Number.POSITIVE_INFINITY : Number(values.get('-c') ?? 1),
    intervalSeconds: milliseconds('-p', 1000),
    timeoutSeconds: milliseconds('-t', 500),
    interface: values.get('-I') ?? '',
  }
}

type Counts = { sent: number; received: number }

const summary = (target: string, { sent, received }: Counts): string => {
  const loss = Math.round((100 * (sent - received)) / sent)
  return `${target} : xmt/rcv/%loss = ${sent}/${received}/${loss}%`
}

/** Sends one probe to each target and prints what came of those whose time has come. */
const round = (
  fabric: Fabric,
  io: ProgramIo,
  asked: ReturnType<typeof parse>,
  sequence: number,
  { counts, lost }: { counts: Map<string, Counts>; lost: { dueSeconds: number; text: string }[] },
): void => {
  const now = io.now()
  while (lost[0] && lost[0].dueSeconds <= now) io.print(lost.shift()!.text)
  for (const target of asked.targets) {
    const known = counts.get(target) ?? { sent: 0, received: 0 }
    counts.set(target, known)
    known.sent++
    const to = fabric.whereIs(target)
    const rtt = to && fabric.probe(to.interface, io.node, to.node)
    if (rtt === undefined) {
      const text = `${target} : [${sequence}], timed out (NaN avg, 100% loss)`
      lost.push({ dueSeconds: now + asked.timeoutSeconds, text })
      continue
    }
    known.received++
    const milliseconds = (rtt * 1000).toFixed(3)
    io.print(`${target} : [${sequence}], 64 bytes, ${milliseconds} ms (${milliseconds} avg, 0% loss)`)
  }
}

/** fping 5.1 with the options that the agent uses: counted, without end, and its version. */
export const createFpingProgram =
  (fabric: Fabric): Program =>
  async (args, io) => {
    const asked = parse(args)
    if (asked.flags.has('-v')) {
      io.print('fping: Version 5.1')
      return 0
    }
    if (asked.targets.every((target) => target.startsWith('127.'))) return 0
    const state = { counts: new Map<string, Counts>(), lost: [] as { dueSeconds: number; text: string }[] }
    for (let sequence = 0; sequence < asked.count; sequence++) {
      await io.sleep(sequence === 0 ? 0.001 : asked.intervalSeconds)
      round(fabric, io, asked, sequence, state)
    }
    await io.sleep(asked.timeoutSeconds)
    for (const { text } of state.lost) io.print(text)
    for (const [target, counts] of state.counts) io.printError(summary(target, counts))
    return [...state.counts.values()].every(({ received }) => received > 0) ? 0 : 1
  }
