import { readFileSync } from 'node:fs'
import type { ProfileSource } from '#proto/meshgauge/collector/v1/profile.ts'
import { isProfileFile } from '../../lib/profile-file.ts'
import type { Problem } from '../command-errors.ts'

/** The text of a profile file. If it cannot be read, adds a problem and returns undefined. */
export const readProfileText = (place: string, file: string, problems: Problem[]): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const words = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message
    problems.push({ place, message: `cannot read ${file}: ${words}` })
    return undefined
  }
}

/** Parses the name of a profile of the collector, or reads a profile file. */
export const readProfileSource = (place: string, text: string, problems: Problem[]): ProfileSource => {
  if (!isProfileFile(text)) return { source: { $case: 'name', value: text }, file: '' }
  const yaml = readProfileText(place, text, problems) ?? ''
  return { source: { $case: 'yaml', value: yaml }, file: text }
}
