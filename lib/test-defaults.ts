/** Default values of tests, as stated by the comments of the protocol. Agents and the collector fill them in. */

export const PING_DEFAULTS = {
  engine: 'fping',
  count: 10,
  intervalSeconds: 1,
  timeoutSeconds: 1,
  sizeBytes: 56,
  reportIntervalSeconds: 1,
} as const

export const IPERF_DEFAULTS = {
  engine: 'iperf3',
  durationSeconds: 10,
  intervalSeconds: 1,
  parallelCount: 1,
  /** iperf3's own default for UDP. TCP is unlimited. */
  udpBitsPerSecond: 1_000_000,
  /** How long a server waits for its client. */
  idleTimeoutSeconds: 10,
  requestBytes: 1,
  responseBytes: 1,
} as const

export const MESH_DEFAULTS = {
  engine: 'fping',
  intervalSeconds: 1,
  timeoutSeconds: 0.5,
  sizeBytes: 56,
  windowSeconds: 10,
  /** How long an agent continues to probe without a stream. */
  outliveSeconds: 600,
} as const

export const HOST_SAMPLING_DEFAULTS = { intervalSeconds: 1 } as const
