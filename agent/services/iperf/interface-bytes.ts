/** Compares what a program says that it sent and received with what the kernel counted at the interface. */

import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import type { ProgramFault } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { formatBitrate, formatBytes } from '../../../lib/units.ts'
import { parseLinks, parseSendBuffer } from '../../host/counters.ts'
import type { ReadText } from '../../host/files.ts'

export type InterfaceBytes = { sentBytes: number; receivedBytes: number }

/** What a program says; absent where it has no count. */
export type Claim = {
  sentBytes?: number | undefined
  receivedBytes?: number | undefined
  /** Streams of the test; unknown when absent. */
  streamCount?: number | undefined
}

/** The kernel counts headers too, so a program can never count more; this covers rounding. */
const MAX_EXCESS_RATIO = 0.1
const MAX_EXCESS_BYTES = 100_000

/** Some drivers update their counters once a second. */
const COUNTER_DELAY_SECONDS = 1.5

/** The largest send buffer of a socket where the kernel does not say: the default of Linux. */
const SEND_BUFFER_BYTES = 2 ** 22
const MAX_STREAMS = 16

const isTooMuch = (claimed: number | undefined, counted: number, buffered = 0): boolean =>
  claimed !== undefined && claimed > counted * (1 + MAX_EXCESS_RATIO) + MAX_EXCESS_BYTES + buffered

/** @param sendBuffer what a stream may have written to its socket at its end and the interface has not sent yet */
const excessOf = (
  claim: Claim,
  counted: InterfaceBytes,
  sendBuffer: number,
): [verb: string, claimed: number, counted: number] | undefined => {
  const buffered = sendBuffer * (claim.streamCount ?? MAX_STREAMS)
  if (isTooMuch(claim.sentBytes, counted.sentBytes, buffered))
    return ['sent', claim.sentBytes!, counted.sentBytes]
  return isTooMuch(claim.receivedBytes, counted.receivedBytes)
    ? ['received', claim.receivedBytes!, counted.receivedBytes]
    : undefined
}

type Checked = { counted: InterfaceBytes | undefined; programFault: ProgramFault | undefined }

/**
 * Starts to count at an interface that a program is bound to.
 * @returns a function that compares the counts with a claim; `counted` is undefined where the kernel does not count
 */
export const countInterface = (
  { clock, read }: { clock: Clock; read: ReadText },
  program: string,
  name: string,
): ((claim: Claim, signal: AbortSignal) => Promise<Checked>) => {
  const sendBuffer = parseSendBuffer(read('/proc/sys/net/ipv4/tcp_wmem') ?? '') ?? SEND_BUFFER_BYTES
  const links = () => parseLinks(read('/proc/net/dev') ?? '')
  const before = name === '' ? undefined : links()
  const growthOf = (device: string): InterfaceBytes | undefined => {
    const [old, now] = [before?.get(device), links().get(device)]
    // An interface that was removed and created again has counters that began again.
    if (!old || !now || now.sentBytes < old.sentBytes || now.receivedBytes < old.receivedBytes)
      return undefined
    return { sentBytes: now.sentBytes - old.sentBytes, receivedBytes: now.receivedBytes - old.receivedBytes }
  }
  return async (claim, signal) => {
    let counted = growthOf(name)
    if (counted && excessOf(claim, counted, sendBuffer)) {
      await clock.sleep(COUNTER_DELAY_SECONDS, signal).catch(() => undefined)
      counted = growthOf(name)
    }
    const excess = counted && excessOf(claim, counted, sendBuffer)
    // Traffic between two agents of one host does not leave through its interface.
    const local = growthOf('lo')
    if (!excess || (local && !excessOf(claim, local, sendBuffer))) return { counted, programFault: undefined }
    const [verb, claimed, atInterface] = excess
    const problem = `reports ${formatBytes(claimed)} ${verb}, where ${name} ${verb} ${formatBytes(atInterface)} in total`
    return { counted, programFault: { program, problem } }
  }
}

/** A received rate above the speed of a physical link. The speed of a virtual device means nothing. */
export const speedFault = (
  program: string,
  link: Pick<Interface, 'name' | 'speedBitsPerSecond' | 'busInfo'> | undefined,
  bitsPerSecond: number | undefined,
): ProgramFault | undefined => {
  const speed = link?.busInfo === '' ? undefined : link?.speedBitsPerSecond
  if (speed === undefined || bitsPerSecond === undefined || bitsPerSecond <= speed * (1 + MAX_EXCESS_RATIO))
    return undefined
  const problem = `reports ${formatBitrate(bitsPerSecond)}, where ${link!.name} has a link of ${formatBitrate(speed)}`
  return { program, problem }
}
