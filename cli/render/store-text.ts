import type { GetStoreInfoResponse, StoreLevel } from '#proto/meshgauge/collector/v1/store.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { formatBytes, formatDuration } from '../../lib/units.ts'
import { ago, formatCount } from './figures.ts'
import { harmless, type Paint } from './paint.ts'
import { renderTable } from './table.ts'

const WHAT: Record<string, string> = {
  runs: 'runs with their results',
  raw: 'windows of the ping mesh as the agents sent them',
  '5m': 'the same as 5 minutes',
  '1h': 'the same as 1 hour',
  events: 'changes of state in the ping mesh',
}

const rowOf = (level: StoreLevel, now: Date): string[] => {
  const retention = fromDuration(level.retention)
  const timeOf = (time: StoreLevel['oldestTime']) => (time ? ago(fromTimestamp(time), now) : '-')
  return [
    harmless(level.name),
    formatCount(level.rowCount),
    timeOf(level.oldestTime),
    timeOf(level.newestTime),
    retention === undefined ? 'for ever' : formatDuration(retention),
    WHAT[level.name] ?? '',
  ]
}

export const renderStoreInfo = (info: GetStoreInfoResponse, now: Date, paint: Paint): string => {
  const bound = info.maxBytes > 0 ? ` of at most ${formatBytes(info.maxBytes)}` : ''
  const expired = info.lastExpireTime
    ? `Old content was last removed ${ago(fromTimestamp(info.lastExpireTime), now)}.`
    : 'Nothing had to be removed yet.'
  return [
    `${harmless(info.path)}: ${formatBytes(info.sizeBytes)}${bound}, ${formatBytes(info.freeBytes)} of it free inside (schema ${info.schemaVersion})`,
    expired,
    '',
    renderTable(
      ['LEVEL', 'ROWS', 'OLDEST', 'NEWEST', 'KEPT FOR', 'WHAT'],
      info.levels.map((level) => rowOf(level, now)),
      paint,
    ),
  ].join('\n')
}

/** `store info --json` */
export const storeInfoDocument = (info: GetStoreInfoResponse) => ({
  path: info.path,
  schemaVersion: info.schemaVersion,
  sizeBytes: info.sizeBytes,
  freeBytes: info.freeBytes,
  maxBytes: info.maxBytes,
  lastExpireTime: fromTimestamp(info.lastExpireTime)?.toISOString(),
  levels: info.levels.map((level) => ({
    name: level.name,
    rowCount: level.rowCount,
    oldestTime: fromTimestamp(level.oldestTime)?.toISOString(),
    newestTime: fromTimestamp(level.newestTime)?.toISOString(),
    retentionSeconds: fromDuration(level.retention),
  })),
})
