/** The ping mesh as JSON documents, in base units. Unknown values are absent. */

import type { Timestamp } from '#proto/google/protobuf/timestamp.ts'
import type {
  GetMeshResponse,
  GetPathHistoryResponse,
  Mesh,
  MeshEvent,
  Path,
  PathWindow,
} from '#proto/meshgauge/collector/v1/mesh.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { resolutionText } from './mesh-text.ts'
import { pathStateWord } from './path-state.ts'
import { endpoint, judgementDocument, verdictDocument } from './run-document.ts'

const time = (value: Timestamp | undefined): string | undefined => fromTimestamp(value)?.toISOString()

const windowDocument = (window: PathWindow) => ({
  startTime: time(window.startTime),
  endTime: time(window.endTime),
  sentCount: window.sentCount,
  receivedCount: window.receivedCount,
  lossRatio: window.lossRatio,
  rttSeconds: window.rtt && {
    min: fromDuration(window.rtt.min),
    avg: fromDuration(window.rtt.avg),
    p50: fromDuration(window.rtt.p50),
    p99: fromDuration(window.rtt.p99),
    max: fromDuration(window.rtt.max),
  },
  jitterSeconds: fromDuration(window.jitter),
})

export const eventDocument = (event: MeshEvent) => ({
  time: time(event.time),
  seenTime: time(event.seenTime),
  source: endpoint(event.source),
  destination: event.destination && endpoint(event.destination),
  before: pathStateWord(event.before),
  state: pathStateWord(event.state),
  reason: event.reason || undefined,
})

export const pathDocument = (path: Path) => ({
  source: endpoint(path.source),
  destination: endpoint(path.destination),
  state: pathStateWord(path.state),
  stateTime: time(path.stateTime),
  lastMinute: path.lastMinute && windowDocument(path.lastMinute),
  lastWindowTime: time(path.lastWindowTime),
  reason: path.reason || undefined,
  changeCount: path.changeCount,
})

const oneMesh = (mesh: Mesh) => ({
  schedule: mesh.schedule,
  nodeCount: mesh.nodeCount,
  streamingCount: mesh.streamingCount,
  pathCount: mesh.pathCount,
  upCount: mesh.upCount,
  lossyCount: mesh.lossyCount,
  downCount: mesh.downCount,
  staleCount: mesh.staleCount,
  peerCount: mesh.peerCount,
  coverageSeconds: fromDuration(mesh.coverageTime),
  problems: mesh.problems,
})

export const meshDocument = ({ meshes, verdicts, judgement }: GetMeshResponse, bad: readonly Path[]) => ({
  meshes: meshes.map(oneMesh),
  judgement: judgement && judgementDocument(judgement),
  verdicts: verdicts.map(verdictDocument),
  badPaths: bad.map(pathDocument),
})

export const historyDocument = ({ resolution, windows, events }: GetPathHistoryResponse) => ({
  resolution: resolutionText(resolution),
  windows: windows.map(windowDocument),
  events: events.map(eventDocument),
})
