/** What the output of iperf3 means, in any of its forms. */

export type Sample = {
  startSeconds: number
  endSeconds: number
  bitsPerSecond: number
  bytes: number
  /** Absent where iperf3 does not say: UDP, and the receiving end. */
  retransmits: number | undefined
  omitted: boolean
  /** With --bidir: the bytes that come back from the server. */
  reverse: boolean
}

/** The total of one end over the measured part. */
export type Figure = {
  seconds: number
  bitsPerSecond: number
  bytes: number
  retransmits?: number | undefined
  jitterSeconds?: number | undefined
  lossRatio?: number | undefined
}

/** What the end of a test says; a part that iperf3 left out is absent. */
export type Figures = {
  sender?: Figure
  receiver?: Figure
  /** With --bidir: what the client received. */
  reverseReceiver?: Figure
  /** CPU time over the test's time, at this end and at the server's. */
  localCpuRatio?: number
  remoteCpuRatio?: number
}

export type IperfOutput =
  /** The server took the test; the bytes flow. */
  | { kind: 'began' }
  | { kind: 'sample'; sample: Sample }
  | { kind: 'error'; text: string }
  /** iperf3 holds that it is done. */
  | { kind: 'summary'; figures: Figures }
  | { kind: 'unknown'; text: string }

export type OutputParser = { push(line: string): IperfOutput[] }
