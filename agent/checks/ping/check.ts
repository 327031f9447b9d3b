/**
 * The ping check of IBM Autopilot: first tests whether this node has its expected addresses, then whether each peer
 * answers on each interface. In addition, a lost packet counts, the round-trip time is judged, probes are sent from the
 * interface under test, and IPv6 is supported.
 */

import { z } from 'zod'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { formatDuration, formatRatio } from '../../../lib/units.ts'
import { missingAddresses } from '../addresses.ts'
import { defineCheck } from '../check.ts'
import {
  createFinding,
  FAIL,
  type Finding,
  limitOf,
  PASS,
  skipped,
  statusAbove,
  toFindings,
  WARN,
} from '../findings.ts'
import { addressesByInterface, duration, ratio } from '../parameters.ts'
import { type Probed, pingRequirements, probeTargets, probing, subjectOf, target } from '../probing.ts'

const parameters = z.strictObject({
  targets: z.array(target).default([]),
  ...probing,
  count: probing.count.default(10),
  /** Expected addresses of each interface of this node. */
  addresses: addressesByInterface().default({}),
  /** Loss above which a target is a warning or a failure; a target that never answers always fails. */
  warn_loss: ratio().default(0),
  fail_loss: ratio().default(1),
  warn_rtt: duration().optional(),
  fail_rtt: duration().optional(),
})

type Parameters = z.output<typeof parameters>

const judge = ({ target: to, result }: Probed, request: Parameters): Finding[] => {
  const subject = subjectOf(to)
  const { statistics, reason } = result
  const loss = statistics?.lossRatio ?? 1
  const node = to.node === '' ? [] : [createFinding(subject, 'node', to.node)]
  if (!statistics?.rtt) {
    return [...node, createFinding(subject, 'loss', loss, 'ratio', FAIL, reason || 'does not answer')]
  }
  const lossLimits = { warn: request.warn_loss, fail: request.fail_loss }
  const lossStatus = statusAbove(loss, lossLimits)
  const rtt = fromDuration(statistics.rtt.avg) ?? 0
  const rttLimits = { warn: request.warn_rtt, fail: request.fail_rtt }
  const rttStatus = statusAbove(rtt, rttLimits)
  return [
    ...node,
    createFinding(
      subject,
      'loss',
      loss,
      'ratio',
      lossStatus,
      lossStatus === PASS ? '' : `loses ${formatRatio(loss)} of ${statistics.sentCount} packets`,
    ),
    createFinding(
      subject,
      'rtt',
      rtt,
      'seconds',
      rttStatus,
      rttStatus === PASS
        ? ''
        : `answers after ${formatDuration(rtt)}, more than ${formatDuration(limitOf(rttStatus, rttLimits))}`,
    ),
    createFinding(subject, 'rtt_max', fromDuration(statistics.rtt.max) ?? 0, 'seconds'),
  ]
}

export const ping = defineCheck({
  name: 'ping',
  summary: 'This node has its expected addresses, and every peer answers on every interface.',
  invasive: false,
  budgetSeconds: 120,
  parameters,
  requirements: pingRequirements,
  run: async (deps, request, signal) => {
    const own = missingAddresses(deps.interfaces.list(), request.addresses)
    if (request.targets.length === 0 && own.length === 0) {
      return skipped(['no targets were given'])
    }
    const probed = await probeTargets(deps, request, signal)
    const unreachable = probed.filter(({ result }) => !result.statistics?.rtt).length
    const total = createFinding(
      'peers',
      'unreachable_count',
      unreachable,
      'count',
      unreachable === 0 ? PASS : WARN,
      unreachable === 0 ? '' : `${unreachable} of ${probed.length} addresses do not answer`,
    )
    return toFindings([
      ...own,
      ...probed.flatMap((result) => judge(result, request)),
      ...(probed.length > 0 ? [total] : []),
    ])
  },
})
