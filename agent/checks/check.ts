import type { z } from 'zod'
import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../lib/clock.ts'
import type { DetectedEngines } from '../engines/detected-engines.ts'
import type { Interfaces } from '../interfaces.ts'
import type { Processes } from '../processes.ts'

/** What checks may use of the agent. */
export type CheckDeps = {
  clock: Clock
  interfaces: Interfaces
  engines: DetectedEngines
  processes: Processes
  /** Paths of programs, by name, where they are not on PATH. */
  programs: Readonly<Record<string, string>>
  /** Folders in which programs are searched. */
  path: readonly string[]
  /** The parent folder of /proc, /sys and /dev; another one only in tests. */
  root: string
  /** @throws OperatingError PEER_NOT_ALLOWED for an address that this agent may not measure */
  checkPeers(addresses: readonly string[]): void
  /**
   * Takes a part of the agent's ceilings for probes.
   * @returns gives it back
   * @throws OperatingError LIMIT_EXCEEDED
   */
  leaseProbes(request: PingRequest): () => void
}

export type Findings = {
  evidence: Evidence[]
  reasons: string[]
  rawOutput?: string
  /** Set when the check does not apply here or could not run; otherwise the evidence decides. */
  status?: CheckStatus
}

/** The interface of all checks. To add one: a folder next to this file and a line in checks.ts. */
export type Check<S extends z.ZodObject = z.ZodObject> = {
  name: string
  summary: string
  /** Whether it disturbs other work on the node with any parameters. */
  invasive: boolean
  /** Longest time to run, after which its programs are ended. */
  budgetSeconds: number
  /** The budget for these parameters, where it is shorter. */
  budgetFor?(parameters: z.output<S>): number
  /** Checks with the same claim do not run at the same time. Defaults to the name of the check. */
  claim?: string
  /** A strict schema: unknown parameters are refused. */
  parameters: S
  /** Returns all reasons why it cannot run on this node; empty when it can. Starts no program that may hang. */
  requirements(deps: CheckDeps, signal: AbortSignal): Promise<string[]>
  /** Whether the node has the hardware to check, so that unmet requirements are an error instead of a skip. */
  hasHardware?(deps: CheckDeps): Promise<boolean>
  run(deps: CheckDeps, parameters: z.output<S>, signal: AbortSignal): Promise<Findings>
}

/** Types the parameters inside a check, and hides their type in the list of all checks. */
export const defineCheck = <S extends z.ZodObject>(check: Check<S>): Check => check as unknown as Check

/** From good to bad: a check that could not run is worse than a warning, and better than a failure. */
const SEVERITY: readonly CheckStatus[] = [
  CheckStatus.CHECK_STATUS_PASS,
  CheckStatus.CHECK_STATUS_WARN,
  CheckStatus.CHECK_STATUS_ERROR,
  CheckStatus.CHECK_STATUS_FAIL,
]

/** Returns the worst status of the findings; PASS when there is none, SKIPPED when all of them were skipped. */
export const worstStatus = (evidence: readonly Evidence[]): CheckStatus => {
  if (evidence.length > 0 && evidence.every(({ status }) => status === CheckStatus.CHECK_STATUS_SKIPPED))
    return CheckStatus.CHECK_STATUS_SKIPPED
  return SEVERITY[Math.max(0, ...evidence.map(({ status }) => SEVERITY.indexOf(status)))]!
}
