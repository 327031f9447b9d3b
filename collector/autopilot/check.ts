import { type CheckResult, CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'

/** A value of the metric: `deviceId` is a GPU's index, a peer's name, or empty. */
export type Sample = { deviceId: string; value: number }

export type Asked = {
  /** Of dcgm, 1 to 4. */
  level: number
  /** PCIe threshold in GB/s. */
  bw: number
  /** Whom ping is to reach; absent for all peers. */
  targets?: readonly { node: string; address: string; interface: string }[]
}

/**
 * How a check of ours looks to the users of IBM Autopilot: its parameters, its text, its log lines, its metric.
 * Adding one is a file and a line in checks.ts.
 */
export type AutopilotCheck = {
  /** As in `check=`; also the name of our check. */
  name: string
  /** The metric's label `health`. */
  health: string
  /** Whether the metric says 0 or 1. Such a 1 stays as long as the finding stands; a measured value is the last one. */
  isFlag: boolean
  /** Whether a result has all devices when the check was asked so, and those that are not in it are gone. */
  hasAllDevices(parameters: Readonly<Record<string, unknown>>): boolean
  parameters(asked: Asked): Record<string, unknown>
  /** What the old check printed, to the byte, except where that was a mistake (see the README here). */
  text(node: string, result: CheckResult): string
  /** What the old daemon logged. */
  log(node: string, result: CheckResult, asked: Asked): string[]
  /** None when the check could not be carried out: what is shown stays. */
  samples(result: CheckResult): Sample[]
}

const { CHECK_STATUS_PASS, CHECK_STATUS_WARN, CHECK_STATUS_FAIL, CHECK_STATUS_SKIPPED, CHECK_STATUS_ERROR } =
  CheckStatus

/** The check has a verdict; without one it is an ABORT. */
export const hasVerdict = ({ status }: CheckResult): boolean =>
  status === CHECK_STATUS_PASS || status === CHECK_STATUS_WARN || status === CHECK_STATUS_FAIL

export const isFail = ({ status }: { status: CheckStatus }): boolean => status === CHECK_STATUS_FAIL
export const isError = ({ status }: { status: CheckStatus }): boolean => status === CHECK_STATUS_ERROR

/** The node's GPUs, by index. */
export const gpusOf = ({ evidence }: CheckResult): string[] =>
  [...new Set(evidence.map(({ subject }) => subject).filter((subject) => /^\d+$/.test(subject)))].sort(
    (a, b) => Number(a) - Number(b),
  )

export const evidenceOf = ({ evidence }: CheckResult, subject: string, name: string): Evidence | undefined =>
  evidence.find((each) => each.subject === subject && each.name === name)

/** 0 or 1 of each GPU by whether it failed; without those that could not be looked at. */
export const gpuFlags = (result: CheckResult, name: string): Sample[] =>
  gpusOf(result).flatMap((deviceId) => {
    const own = result.evidence.filter(({ subject }) => subject === deviceId)
    if (own.some(isFail)) return [{ deviceId, value: 1 }]
    const looked = own.find((each) => each.name === name)
    return looked === undefined || isError(looked) ? [] : [{ deviceId, value: 0 }]
  })

/** 0 or 1 of the node as a whole. */
export const nodeFlag = (result: CheckResult, deviceId: string): Sample[] =>
  hasVerdict(result) ? [{ deviceId, value: isFail(result) ? 1 : 0 }] : []

export const lines = (...texts: string[]): string => texts.map((text) => `${text}\n`).join('')

export const detected = (gpus: readonly string[]): string =>
  `Detected NVIDIA GPU: ${gpus.map((gpu) => `${gpu} `).join('')}Total: ${gpus.length}`

const BRIEFINGS: readonly [RegExp, string][] = [
  [/nvidia-smi is not installed/, 'nvidia-smi not present'],
  [/MIG is enabled/, 'MIG enabled'],
  [/dcgmi is not installed/, 'dcgmi failed to start'],
  [/nvidia-smi|NVIDIA (driver|GPU)/, 'nvidia-smi failed to start'],
]

/** Why a check was not carried out, in the words of the old briefing where it had some. */
export const briefing = (result: CheckResult): string => {
  const why = result.reasons.join('; ') || 'the check gave no reason'
  const known = BRIEFINGS.find(([pattern]) => pattern.test(why))
  return `!! ${known ? known[1] : why}. ABORT.`
}

/** Whether the GPUs were looked at at all, so that the old briefing would have been completed. */
export const wasBriefed = (result: CheckResult): boolean =>
  hasVerdict(result) || (result.status !== CHECK_STATUS_SKIPPED && gpusOf(result).length > 0)

export const observation = (node: string, rest: string): string => `Observation: ${node} ${rest}`
