/** Probes targets for checks. */

import { isIP } from 'node:net'
import { z } from 'zod'
import { PingRequest, type PingResult } from '#proto/meshgauge/agent/v1/ping.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { createTargetResult } from '../engines/statistics.ts'
import type { CheckDeps } from './check.ts'
import { address, duration } from './parameters.ts'

const targetText = z
  .string()
  .refine((text) => isIP(text.split('%')[0]!) !== 0, 'not an address, or address%interface')
  .transform((text) => ({ address: text.split('%')[0]!, interface: text.split('%')[1] ?? '', node: '' }))

const targetObject = z.strictObject({
  address: address(),
  interface: z.string().default(''),
  node: z.string().default(''),
})

/** `address`, `address%interface`, or these and the node that has the address as an object. */
export const target = z.union([targetText, targetObject], {
  error: 'not an address, address%interface, or {node, address, interface}',
})

export type Target = z.output<typeof target>

/** Parameters that all checks with probes have in common. */
export const probing = {
  count: z.int().min(1).max(100),
  interval: duration().default(0.2),
  timeout: duration().default(1),
  engine: z.string().default(''),
}

type Request = { targets: Target[]; count: number; interval: number; timeout: number; engine: string }

export type Probed = { target: Target; result: PingResult }

export const subjectOf = ({ address, interface: name }: Target): string =>
  name === '' ? address : `${address}%${name}`

/** Returns all reasons why no engine can ping here; empty when one can. */
export const pingRequirements = async ({ engines }: CheckDeps, signal: AbortSignal): Promise<string[]> => {
  const pings = (await engines.list(signal)).filter(({ test }) => test === 'ping')
  return pings.some(({ available }) => available)
    ? []
    : pings.flatMap(({ name, reasons }) => `${name}: ${reasons.join(', ')}`)
}

/** Probes the targets of one interface, bound to it. */
const probeFrom = async (
  deps: CheckDeps,
  request: Request,
  name: string,
  signal: AbortSignal,
): Promise<Probed[]> => {
  const targets = request.targets.filter((candidate) => candidate.interface === name)
  const { engine } = await deps.engines.ping(request.engine, signal)
  const message = PingRequest.fromPartial({
    targets: targets.map(({ address }) => ({ address })),
    interface: name,
    count: request.count,
    interval: toDuration(request.interval),
    timeout: toDuration(request.timeout),
  })
  throwIfInvalid('the check request', [
    ...(name === '' || deps.interfaces.list().some((link) => link.name === name)
      ? []
      : [{ field: 'targets', description: `there is no interface ${name} that tests may use` }]),
    ...engine.validate(message),
  ])
  const source = { interface: name, addresses: deps.interfaces.addressesOf(name) }
  const totals = targets.map((_, index) => createTargetResult(index))
  const release = deps.leaseProbes(message)
  try {
    for await (const probe of engine.ping(message, source, signal)) totals[probe.targetIndex]!.add(probe)
  } finally {
    release()
  }
  return targets.map((probed, index) => ({ target: probed, result: totals[index]!.result() }))
}

/**
 * Probes all targets, those of different interfaces at the same time.
 * @throws OperatingError PEER_NOT_ALLOWED, or what the engine throws
 */
export const probeTargets = async (
  deps: CheckDeps,
  request: Request,
  signal: AbortSignal,
): Promise<Probed[]> => {
  deps.checkPeers(request.targets.map(({ address }) => address))
  const names = [...new Set(request.targets.map((candidate) => candidate.interface))]
  return (await Promise.all(names.map((name) => probeFrom(deps, request, name, signal)))).flat()
}
