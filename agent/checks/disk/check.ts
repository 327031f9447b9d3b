import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { formatBytes, formatRatio } from '../../../lib/units.ts'
import { plausible } from '../../plausibility.ts'
import { type CheckDeps, defineCheck } from '../check.ts'
import {
  createFinding,
  FAIL,
  type Finding,
  PASS,
  SKIPPED,
  statusAbove,
  type Thresholds,
  toFindings,
  WARN,
} from '../findings.ts'
import { ratio } from '../parameters.ts'
import { readHostFile } from '../programs.ts'
import { examineDrives } from './drives.ts'
import { localMounts, type Mount, parseMounts } from './output.ts'

const parameters = z.strictObject({
  /** Used space as reported by df: without the space reserved for root. */
  warn_space: ratio().default(0.9),
  fail_space: ratio().default(0.98),
  warn_inodes: ratio().default(0.9),
  fail_inodes: ratio().default(0.98),
  /** Mount points to check; none means every local file system. */
  paths: z.array(z.string().startsWith('/', 'not an absolute path')).default([]),
})

type Parameters = z.output<typeof parameters>

/** File systems whose server may be unreachable, so that a call could hang. */
const REMOTE = /^(nfs|cifs|smb|9p|ceph|lustre|glusterfs|afs|fuse|autofs|beegfs|gpfs)/

const MOUNTS = 'proc/self/mountinfo'

const spaceFindings = (path: string, usage: Usage, limits: Thresholds): Finding[] => {
  const used = usage.blocks - usage.free
  const share = used / Math.max(1, used + usage.available)
  const status = statusAbove(share, limits)
  const left = formatBytes(usage.available * usage.blockBytes)
  const reason = status === PASS ? '' : `is ${formatRatio(share)} full: ${left} left`
  return [
    createFinding(path, 'space_used', share, 'ratio', status, reason),
    createFinding(path, 'space_available', usage.available * usage.blockBytes, 'bytes'),
  ]
}

/** btrfs and vfat have no fixed number of inodes. */
const inodeFindings = (path: string, usage: Usage, limits: Thresholds): Finding[] => {
  if (usage.inodes === 0) return []
  const share = (usage.inodes - usage.freeInodes) / usage.inodes
  const status = statusAbove(share, limits)
  const reason =
    status === PASS ? '' : `has used ${formatRatio(share)} of its inodes: ${usage.freeInodes} left`
  return [createFinding(path, 'inodes_used', share, 'ratio', status, reason)]
}

type Usage = {
  blockBytes: number
  blocks: number
  free: number
  available: number
  inodes: number
  freeInodes: number
}

const usageOf = async (path: string): Promise<Usage> => {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path)
  return { blockBytes: bsize, blocks, free: bfree, available: bavail, inodes: files, freeInodes: ffree }
}

/** ext4 counts its errors; other file systems stop at the first one. */
const ext4Findings = async (deps: CheckDeps, { type, source, path }: Mount): Promise<Finding[]> => {
  const text =
    type === 'ext4'
      ? await readHostFile(deps, `sys/fs/ext4/${source.split('/').at(-1)}/errors_count`)
      : undefined
  if (text === undefined) return []
  const errors = plausible('kernel.counter', text)
  if (errors === undefined) return []
  const reason =
    errors > 0 ? `the file system has recorded ${errors} ${errors === 1 ? 'error' : 'errors'}` : ''
  return [createFinding(path, 'file_system_errors', errors, 'count', errors > 0 ? WARN : PASS, reason)]
}

const examine = async (deps: CheckDeps, mount: Mount, request: Parameters): Promise<Finding[]> => {
  const { path, type, readOnly, fileSystemReadOnly } = mount
  if (REMOTE.test(type))
    return [createFinding(path, 'type', type, '', SKIPPED, `is a ${type}, not on a disk of this node`)]
  const turned = fileSystemReadOnly && !readOnly
  const state = createFinding(
    path,
    'read_only',
    fileSystemReadOnly || readOnly,
    '',
    turned ? FAIL : PASS,
    turned ? `the kernel has made this ${type} read-only, which it does after errors` : '',
  )
  const errors = await ext4Findings(deps, mount)
  // A file system that is mounted read-only does not fill up.
  if (readOnly) return [state, ...errors]
  try {
    const usage = await usageOf(join(deps.root, path))
    return [
      state,
      ...spaceFindings(path, usage, { warn: request.warn_space, fail: request.fail_space }),
      ...inodeFindings(path, usage, { warn: request.warn_inodes, fail: request.fail_inodes }),
      ...errors,
    ]
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    // A mount point without permission is no fault of the disk.
    const status = ['EACCES', 'EPERM', 'ENOENT'].includes(code) ? SKIPPED : FAIL
    return [state, createFinding(path, 'readable', false, '', status, `cannot be read: ${code}`), ...errors]
  }
}

export const disk = defineCheck({
  name: 'disk',
  summary: 'Local file systems have free space and inodes and are writable, and drives report no failure.',
  invasive: false,
  budgetSeconds: 120,
  parameters,
  requirements: async (deps) =>
    (await readHostFile(deps, MOUNTS)) === undefined ? ['there is no /proc to read: this is not Linux'] : [],
  run: async (deps, request, signal) => {
    const mounts = parseMounts((await readHostFile(deps, MOUNTS)) ?? '')
    const wanted = request.paths
    const chosen =
      wanted.length > 0 ? mounts.filter(({ path }) => wanted.includes(path)) : localMounts(mounts)
    const absent = wanted
      .filter((path) => !mounts.some((mount) => mount.path === path))
      .map((path) => createFinding(path, 'mounted', false, '', FAIL, 'is not mounted'))
    const examined = await Promise.all(chosen.map((mount) => examine(deps, mount, request)))
    const drives = await examineDrives(deps, signal)
    return toFindings([...absent, ...examined.flat(), ...drives.findings], drives.raw)
  },
})
