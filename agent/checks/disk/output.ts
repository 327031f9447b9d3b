/** Parses mounted file systems in /proc/self/mountinfo, and the output of smartctl. */

import { plausible, plausibleIn } from '../../plausibility.ts'

export type Mount = {
  /** `major:minor`: bind mounts of one file system share it. */
  device: string
  path: string
  type: string
  source: string
  /** Whether it is mounted read-only. */
  readOnly: boolean
  /** Whether the file system itself is read-only: the kernel sets this after errors, and does not change the mount. */
  fileSystemReadOnly: boolean
}

/** The kernel writes blanks and backslashes as octal numbers. */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const has = (options: string, wanted: string): boolean => options.split(',').includes(wanted)

export const parseMounts = (text: string): Mount[] =>
  text.split('\n').flatMap((line) => {
    const [mount, fileSystem] = line.split(' - ')
    const [, , device, , path, options] = mount?.split(' ') ?? []
    const [type, source, superOptions] = fileSystem?.split(' ') ?? []
    if (!device || !path || !options || !type || !source || !superOptions) return []
    return [
      {
        device,
        path: unescapeOctal(path),
        type,
        source: unescapeOctal(source),
        readOnly: has(options, 'ro'),
        fileSystemReadOnly: has(superOptions, 'ro'),
      },
    ]
  })

/** Types of file systems on the node's own disks. Others can hang with an unreachable server. */
const LOCAL_TYPES = new Set('ext2 ext3 ext4 xfs btrfs zfs f2fs jfs bcachefs reiserfs vfat'.split(' '))

/** Returns one mount of each local file system, and the root of any type. */
export const localMounts = (mounts: readonly Mount[]): Mount[] => {
  const local = mounts.filter(
    ({ type, path }) => LOCAL_TYPES.has(type) || (path === '/' && type === 'overlay'),
  )
  return [...Map.groupBy(local, ({ device }) => device).values()].map(
    // The shortest path is its mount point; the others are bind mounts.
    (same) => same.toSorted((a, b) => a.path.length - b.path.length)[0]!,
  )
}

export type DriveHealth = {
  passed: boolean | undefined
  temperatureCelsius: number | undefined
  /** Share of the drive's life that is used up. */
  wear: number | undefined
  mediaErrors: number | undefined
  /** The error messages of smartctl. */
  messages: string[]
}

type Json = Record<string, unknown>
const objectAt = (json: unknown, key: string): Json => {
  const value = (json as Json | null)?.[key]
  return typeof value === 'object' && value !== null ? (value as Json) : {}
}
const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Parses `smartctl --scan -j`: the paths of the drives; undefined for other output. */
export const parseScan = (text: string): { path: string; type: string }[] | undefined => {
  const json = parse(text)
  if (typeof json !== 'object' || json === null) return undefined
  const devices = (json as Json).devices
  return (Array.isArray(devices) ? devices : []).flatMap((device: Json | null) =>
    typeof device?.name === 'string' && typeof device.type === 'string'
      ? [{ path: device.name, type: device.type }]
      : [],
  )
}

/** Parses `smartctl -H -A -j` of ATA, SCSI and NVMe drives. */
export const parseDrive = (text: string): DriveHealth | undefined => {
  const json = parse(text)
  if (typeof json !== 'object' || json === null) return undefined
  const nvme = objectAt(json, 'nvme_smart_health_information_log')
  const messages = objectAt(json, 'smartctl').messages
  const passed = objectAt(json, 'smart_status').passed
  return {
    passed: typeof passed === 'boolean' ? passed : undefined,
    temperatureCelsius: plausible('smartctl.temperature', objectAt(json, 'temperature').current),
    wear: plausibleIn('smartctl.wear', nvme.percentage_used, 0.01),
    mediaErrors: plausible('smartctl.media_errors', nvme.media_errors),
    messages: (Array.isArray(messages) ? messages : []).flatMap((message: Json | null) =>
      typeof message?.string === 'string' ? [message.string] : [],
    ),
  }
}
