/** Encodes invalid requests for every field of a message type, without meshgauge's own protobuf code. */

import { loadSync } from '@grpc/proto-loader'

type Field = {
  name: string
  number: number
  type: string
  typeName: string
  label: string
}

const root = new URL('../../proto/', import.meta.url).pathname

const FILES = ['agent', 'check', 'ping', 'iperf']
  .map((name) => `agent/v1/${name}`)
  .concat(
    ['fleet', 'health', 'run', 'result', 'mesh', 'profile', 'schedule', 'store', 'traffic'].map(
      (name) => `collector/v1/${name}`,
    ),
  )

const loaded = loadSync(
  FILES.map((file) => `meshgauge/${file}.proto`),
  { includeDirs: [root], keepCase: true },
)

const varint = (value: bigint): number[] => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}
const delimited = (field: number, bytes: readonly number[]): number[] => [
  ...varint(BigInt((field << 3) | 2)),
  ...varint(BigInt(bytes.length)),
  ...bytes,
]
const int64 = (field: number, value: bigint): number[] => [...varint(BigInt(field << 3)), ...varint(value)]
const double = (field: number, value: number): number[] => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return [...varint(BigInt((field << 3) | 1)), ...bytes]
}
/** `seconds` and `nanos` of a Duration or Timestamp. */
const time = (field: number, seconds: bigint, nanos: bigint): number[] =>
  delimited(field, [...int64(1, seconds), ...int64(2, nanos)])

type Encode = (field: number) => number[]

const INTEGERS: Encode[] = [(field) => int64(field, 2n ** 53n), (field) => int64(field, -(2n ** 63n))]
const BAD_VALUES: Record<string, Encode[]> = {
  TYPE_INT64: INTEGERS,
  TYPE_UINT64: INTEGERS,
  TYPE_DOUBLE: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(
    (value) => (field: number) => double(field, value),
  ),
  TYPE_STRING: [(field) => delimited(field, [0xc3, 0x28])],
  'google.protobuf.Duration': [
    (field) => time(field, 2n ** 63n - 1n, 0n),
    (field) => time(field, 315_576_000_001n, 0n),
    (field) => time(field, 1n, -1n),
    (field) => time(field, 0n, 1_000_000_000n),
    (field) => delimited(field, [0x08]),
  ],
  'google.protobuf.Timestamp': [
    (field) => time(field, 2n ** 63n - 1n, 0n),
    (field) => time(field, 253_402_300_800n, 0n),
    (field) => time(field, 1n, -1n),
  ],
}

/** A request with one invalid value, and the path of its field. The path is empty for the request as a whole. */
export type BadRequest = { path: string; bytes: Buffer }

/** The full name of a type that is named relative to a scope; undefined for map entries, which are not in the list of types. */
const resolve = (name: string, scope: string): string | undefined => {
  if (name.startsWith('.')) return name.slice(1)
  const scopes = scope.split('.').map((_, index, parts) => parts.slice(0, parts.length - index).join('.'))
  return [...scopes.map((each) => `${each}.${name}`), name].find((candidate) => candidate in loaded)
}

const fieldsOf = (type: string): Field[] =>
  (loaded[type] as unknown as { type: { field: Field[] } }).type.field

const badFields = (type: string, parents: readonly string[]): { path: string; bytes: number[] }[] =>
  fieldsOf(type).flatMap((field) => {
    const name = field.label === 'LABEL_REPEATED' ? `${field.name}[0]` : field.name
    const typeName = field.type === 'TYPE_MESSAGE' ? resolve(field.typeName, type) : undefined
    const values = BAD_VALUES[typeName ?? field.type] ?? []
    if (!typeName || values.length > 0)
      return values.map((encode) => ({ path: name, bytes: encode(field.number) }))
    if (parents.includes(typeName)) return []
    return badFields(typeName, [...parents, typeName]).map(({ path, bytes }) => ({
      path: `${name}.${path}`,
      bytes: delimited(field.number, bytes),
    }))
  })

/** Invalid requests of a type: malformed bytes, and one request for each invalid value of each field. */
const badRequestsOf = (type: string): BadRequest[] => [
  ...[[0xff], [0x0a, 0x05, 0x01], [0x07]].map((bytes) => ({ path: '', bytes: Buffer.from(bytes) })),
  ...badFields(type, [type]).map(({ path, bytes }) => ({ path, bytes: Buffer.from(bytes) })),
]

export type Method = {
  path: string
  requestStream: boolean
  responseStream: boolean
  badRequests: BadRequest[]
}

type LoadedMethod = {
  path: string
  requestStream: boolean
  responseStream: boolean
  requestType: { type: { name: string } }
}

/** All RPCs of agent.v1 and collector.v1 with invalid requests. */
export const methods: Method[] = Object.entries(loaded).flatMap(([name, service]) =>
  name.endsWith('Service')
    ? Object.values(service as unknown as Record<string, LoadedMethod>).map((method) => ({
        path: method.path,
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        badRequests: badRequestsOf(`${name.slice(0, name.lastIndexOf('.'))}.${method.requestType.type.name}`),
      }))
    : [],
)
