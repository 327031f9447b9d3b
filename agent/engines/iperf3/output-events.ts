/** The events in the output of iperf3, common to its text and JSON forms. */

export type Sample = {
  startSeconds: number
  endSeconds: number
  bitsPerSecond: number
  bytes: number
  /** Absent where iperf3 does not report it: for UDP, and at the receiver. */
  retransmits: number | undefined
  omitted: boolean
  /** With --bidir: the bytes from the server to the client. */
  reverse: boolean
}

/** The total of one endpoint over the measured part. */
export type Figure = {
  seconds: number
  bitsPerSecond: number
  bytes: number
  retransmits?: number | undefined
  jitterSeconds?: number | undefined
  lossRatio?: number | undefined
}

/** The figures at the end of a test; those that iperf3 leaves out are absent. */
export type Figures = {
  sender?: Figure
  receiver?: Figure
  /** With --bidir: the count of the client for the bytes from the server. */
  reverseReceiver?: Figure
  /** CPU time divided by the duration of the test, of the client and of the server. */
  localCpuRatio?: number
  remoteCpuRatio?: number
  /** What iperf3 wrote about an end whose figures are impossible; absent when all are possible. */
  impossible?: string
}

export type IperfOutput =
  /** The server accepted the test. */
  | { kind: 'began' }
  | { kind: 'sample'; sample: Sample }
  | { kind: 'error'; text: string }
  /** iperf3 reports that the test is complete. */
  | { kind: 'summary'; figures: Figures }
  | { kind: 'unknown'; text: string }

export type OutputParser = { push(line: string): IperfOutput[] }
