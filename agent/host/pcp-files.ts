/** The configuration for Performance Co-Pilot, and its output. Pure. */

/** The paths of a PCP installation, from its pcp.conf(5). */
export type PcpPaths = {
  pmcd: string
  pmlogger: string
  pcp2json: string
  /** The interpreter of pcp2json, which is a Python script. */
  pmpython: string
  /** The agent of pmcd for Linux metrics. */
  linuxAgent: string
  /** The names of its metrics. */
  linuxNames: string
  /** The definitions of metric sets such as `:sar`. */
  metricSets: string
}

/** Returns undefined when the text is not a pcp.conf. */
export const parsePcpConf = (text: string): PcpPaths | undefined => {
  const values = new Map(
    [...text.matchAll(/^(PCP_\w+)=(.*)$/gm)].map(([, name, value]) => [
      name!,
      value!.replaceAll('"', '').trim(),
    ]),
  )
  const [programs, tools, agents, data, settings] = [
    values.get('PCP_BINADM_DIR'),
    values.get('PCP_BIN_DIR'),
    values.get('PCP_PMDAS_DIR'),
    values.get('PCP_VAR_DIR'),
    values.get('PCP_SYSCONF_DIR'),
  ]
  if (!programs || !tools || !agents || !data || !settings) return undefined
  return {
    pmcd: `${programs}/pmcd`,
    pmlogger: `${programs}/pmlogger`,
    pcp2json: `${tools}/pcp2json`,
    pmpython: `${tools}/pmpython`,
    linuxAgent: `${agents}/linux/pmda_linux.so`,
    linuxNames: `${data}/pmns/root_linux`,
    metricSets: `${settings}/pmrep`,
  }
}

/** Only the Linux agent, inside pmcd itself: no other process, and no permissions beyond those of this agent. */
export const pmcdConfig = ({ linuxAgent }: PcpPaths): string => `linux 60 dso linux_init "${linuxAgent}"\n`

/** Metrics for a network test that the sets of the Arcaflow plugin lack. */
const NETWORK_METRICS = [
  ...['in', 'out'].flatMap((way) =>
    ['bytes', 'packets', 'errors', 'drops'].map((what) => `network.interface.${way}.${what}`),
  ),
  'network.tcp.retranssegs',
  'network.udp.inerrors',
  'network.udp.recvbuferrors',
]

/** The metrics from which the sets below are derived. */
const LOGGED_METRICS = [
  ...NETWORK_METRICS,
  ...['hinv.ncpu', 'hinv.pagesize', 'hinv.physmem', 'mem.physmem', 'mem.util', 'mem.vmstat', 'swap'],
  ...['kernel.all.cpu', 'kernel.all.running', 'kernel.all.blocked', 'kernel.all.intr', 'kernel.all.pswitch'],
  ...['kernel.all.sysfork', 'kernel.all.load', 'disk.all'],
]

export const pmloggerConfig = (intervalSeconds: number): string =>
  `log mandatory on ${Math.round(intervalSeconds * 1000)} msec {\n${LOGGED_METRICS.map((name) => `  ${name}\n`).join('')}}\n`

/** The sets that the Arcaflow plugin exports (pcp_schema.py of plugin-pcp), then those for a network test. */
const EXPORTED = [':vmstat', ':sar', ':sar-B', ':sar-w', ':sar-b', ':sar-H', ':sar-r', ...NETWORK_METRICS]

/** Times in UTC and values as numbers; metrics that this kernel lacks are omitted. */
export const pcp2jsonArgs = (paths: PcpPaths, archive: string, intervalSeconds: number): string[] => [
  ...[
    '-H',
    '-E',
    '-5',
    '-a',
    archive,
    '-t',
    String(intervalSeconds),
    '-Z',
    'UTC',
    '-f',
    '%FT%T.%fZ',
    '-P',
    '6',
  ],
  ...['-c', paths.metricSets, ...EXPORTED],
]

/** Returns the samples in the output of pcp2json; undefined when it is something else. */
const samplesOf = (printed: unknown): unknown[] | undefined => {
  const pcp = (printed as { '@pcp'?: { '@hosts'?: { '@metrics'?: unknown }[] } } | null)?.['@pcp']
  const samples = pcp?.['@hosts']?.[0]?.['@metrics']
  return Array.isArray(samples) ? samples : undefined
}

/**
 * Returns the output of pcp2json without its white space.
 * @throws Error when the output is not usable, with the reason
 */
export const readPcpJson = (text: string, maxBytes: number): string => {
  let printed: unknown
  try {
    printed = JSON.parse(text)
  } catch {
    throw new Error(text.trim() === '' ? 'pcp2json printed nothing' : 'the output of pcp2json is not JSON')
  }
  const samples = samplesOf(printed)
  if (!samples) throw new Error('the output of pcp2json has no samples of a host')
  if (samples.length === 0) throw new Error('the archive of pmlogger has no sample')
  const json = JSON.stringify(printed)
  if (Buffer.byteLength(json) > maxBytes) {
    const size = `${Buffer.byteLength(json)} bytes from pcp2json; at most ${maxBytes} are allowed`
    throw new Error(`${size}: request a longer interval`)
  }
  return json
}
