import type { Duration } from '#proto/google/protobuf/duration.ts'
import type { Timestamp } from '#proto/google/protobuf/timestamp.ts'

/** google.protobuf.Duration from seconds, exact to the nanosecond. */
export const toDuration = (seconds: number): Duration => {
  let whole = Math.trunc(seconds)
  let nanos = Math.round((seconds - whole) * 1e9)
  if (Math.abs(nanos) === 1e9) {
    whole += Math.sign(nanos)
    nanos = 0
  }
  return { seconds: whole, nanos }
}

/** Seconds of a google.protobuf.Duration; undefined stays undefined. */
export function fromDuration(duration: Duration): number
export function fromDuration(duration: Duration | undefined): number | undefined
export function fromDuration(duration: Duration | undefined): number | undefined {
  return duration && duration.seconds + duration.nanos / 1e9
}

export const toTimestamp = (date: Date): Timestamp => {
  const milliseconds = date.getTime()
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1e6) }
}

export function fromTimestamp(timestamp: Timestamp): Date
export function fromTimestamp(timestamp: Timestamp | undefined): Date | undefined
export function fromTimestamp(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp && new Date(timestamp.seconds * 1000 + timestamp.nanos / 1e6)
}

/** google.protobuf.Timestamp from seconds since 1970, in microseconds, the precision of the number. */
export const secondsToTimestamp = (seconds: number): Timestamp => {
  const microseconds = Math.round(seconds * 1e6)
  const whole = Math.floor(microseconds / 1e6)
  return { seconds: whole, nanos: (microseconds - whole * 1e6) * 1000 }
}
