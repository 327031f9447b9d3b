import { closest } from '../../lib/config.ts'
import { splitHostList } from '../../lib/host-list.ts'
import { durationHint, parseBitrate, parseBytes, parseDuration } from '../../lib/units.ts'
import type { Problem } from '../command-errors.ts'

/** The names of a table of choices, in its order. */
export const keysOf = <K extends string>(table: Readonly<Record<K, unknown>>): K[] =>
  Object.keys(table) as K[]

/** The text of an option, or undefined when it is absent. */
type Text = string | undefined

export type ValueReader = ReturnType<typeof createValueReader>

/** Parses option texts. Adds invalid ones to `problems`, so that all are reported together, and returns undefined. */
export const createValueReader = (problems: Problem[]) => {
  const refuse = (place: string, message: string): undefined => {
    problems.push({ place, message })
    return undefined
  }

  const integer = (place: string, text: Text, min: number, max: number): number | undefined => {
    if (text === undefined) return undefined
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    return refuse(place, `"${text}" is not a whole number from ${min} to ${max}`)
  }

  return {
    refuse,
    integer,

    seconds: (place: string, text: Text): number | undefined => {
      if (text === undefined) return undefined
      const value = parseDuration(text)
      if (value !== undefined && value > 0) return value
      return refuse(place, `"${text}" is not a duration; ${durationHint(text)}`)
    },

    /** Seconds of a duration that may be 0, such as a warm-up. */
    secondsOrZero: (place: string, text: Text): number | undefined => {
      if (text === undefined) return undefined
      const value = text === '0' ? 0 : parseDuration(text)
      return value ?? refuse(place, `"${text}" is not a duration; ${durationHint(text)}`)
    },

    bitsPerSecond: (place: string, text: Text): number | undefined => {
      if (text === undefined) return undefined
      const value = parseBitrate(text)
      return value ?? refuse(place, `"${text}" is not a bitrate; write 10G, 50mbit or 0 for unlimited`)
    },

    bytes: (place: string, text: Text, max = Number.MAX_SAFE_INTEGER): number | undefined => {
      if (text === undefined) return undefined
      const value = parseBytes(text)
      if (value !== undefined && value > 0 && value <= max) return value
      return refuse(place, `"${text}" is not a size; write 64K, 1G or a number of bytes`)
    },

    choice: <C extends string>(place: string, text: Text, choices: readonly C[]): C | undefined => {
      if (text === undefined) return undefined
      const choice = choices.find((candidate) => candidate === text)
      if (choice !== undefined) return choice
      const meant = closest(text, choices)
      const hint = meant ? `; did you mean ${meant}?` : ''
      return refuse(place, `"${text}" is not one of ${choices.join(', ')}${hint}`)
    },

    /** `a,b,c`. Commas in brackets do not separate: `gpu-[01-64,70]` is one entry. */
    list: (place: string, text: Text): string[] => {
      if (text === undefined) return []
      const items = splitHostList(text)
      if (items.every((item) => item !== '')) return items
      refuse(place, `"${text}" has an empty entry; write a,b,c`)
      return []
    },

    portRange: (place: string, text: Text): { first: number; last: number } | undefined => {
      if (text === undefined) return undefined
      const match = /^(\d+)(?:-(\d+))?$/.exec(text)
      const first = Number(match?.[1])
      const last = Number(match?.[2] ?? match?.[1])
      if (match && first >= 1 && last >= first && last <= 65535) return { first, last }
      return refuse(place, `"${text}" is not a port range; write 5201-5299`)
    },
  }
}
