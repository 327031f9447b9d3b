import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'

/** The end of a flow: `server` receives, `client` sends. */
export type FlowSide = 'server' | 'client'

/** Receives what the agents report about the flows of one traffic. Flows are numbers from 0. */
export type FlowReports = {
  /** The server of a flow listens at this address and port. */
  onServing(flow: number, address: string, port: number): void
  /** The client of a flow was started. */
  onSending(flow: number): void
  /** The call of one side could not be opened, or has ended. */
  onLost(flow: number, side: FlowSide, problem: string): void
  /** The program of one side has started or ended. */
  onProgramChange(flow: number, side: FlowSide, change: FlowChange): void
  onReceived(flow: number, sample: IperfSample): void
  onSent(flow: number, sample: IperfSample): void

  /** Where the server of a flow listens, or listened last; 0 and '' before. */
  portOf(flow: number): number
  addressOf(flow: number): string
  /** Whether the server of a flow listens now. */
  isServing(flow: number): boolean
}
