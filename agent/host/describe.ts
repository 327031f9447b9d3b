import os from 'node:os'
import { type Interface, NodeMetadata } from '#proto/meshgauge/agent/v1/agent.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { Processes } from '../processes.ts'
import { parseMemory } from './counters.ts'
import {
  countCpus,
  type DriverInfo,
  fullName,
  parseCpu,
  parseCpuList,
  parseEthtool,
  parseGpus,
  parseOperatingSystem,
  parsePlaces,
  parseUptime,
} from './facts.ts'
import type { ReadText } from './files.ts'

/** Age after which a program runs again: drivers and GPUs change only by hot-plug. */
const PROGRAM_SECONDS = 600
/** nvidia-smi takes up to 10 s where the driver has to load first; with a hung driver it never ends. */
const PROGRAM_DEADLINE_SECONDS = 20
/** Longest wait for slow programs; their output is in the next answer. */
const WAIT_SECONDS = 1

export type HostDescriber = {
  metadata(): Promise<NodeMetadata>
  /** Adds driver and firmware versions to the interfaces. */
  withDrivers(interfaces: readonly Interface[]): Promise<Interface[]>
}

type Deps = { clock: Clock; processes: Pick<Processes, 'run' | 'isInstalled'>; read: ReadText }

/** DMI files may be missing (virtual machines, ARM) or readable only by root. */
const readProduct = (read: ReadText) => {
  const dmi = (name: string) => read(`/sys/class/dmi/id/${name}`)?.trim() ?? ''
  return {
    systemVendor: dmi('sys_vendor'),
    productName: dmi('product_name') || (read('/proc/device-tree/model') ?? '').replaceAll('\0', ''),
    productVersion: dmi('product_version'),
  }
}

const readPlaces = (read: ReadText, cpuinfo: string) => {
  const places = parseCpuList(read('/sys/devices/system/cpu/present') ?? '').flatMap((cpu) => {
    const topology = (name: string) => read(`/sys/devices/system/cpu/cpu${cpu}/topology/${name}`)?.trim()
    const [socket, core] = [topology('physical_package_id'), topology('core_id')]
    return socket !== undefined && core !== undefined ? [{ socket, core }] : []
  })
  return places.length > 0 ? places : parsePlaces(cpuinfo)
}

/** The facts that do not change while the host is up. */
const readMachine = (read: ReadText): Partial<NodeMetadata> => {
  const cpuinfo = read('/proc/cpuinfo') ?? ''
  const { model, vendor } = parseCpu(cpuinfo)
  const { sockets, coresPerSocket, threadsPerCore } = countCpus(readPlaces(read, cpuinfo))
  return {
    architecture: os.machine(),
    kernel: os.release(),
    operatingSystem:
      parseOperatingSystem(read('/etc/os-release') ?? read('/usr/lib/os-release') ?? '') || os.type(),
    cpuModel: model,
    cpuVendor: vendor,
    cpuSocketCount: sockets,
    cpuCoresPerSocketCount: coresPerSocket,
    cpuThreadsPerCoreCount: threadsPerCore,
    ...readProduct(read),
  }
}

/** The exit code of nvidia-smi when a GPU has a corrupted infoROM: its table is complete. */
const CORRUPTED_INFOROM = 14

/** Runs programs in the background and keeps their output for a while. */
const createProgramCache = ({ clock, processes }: Deps) => {
  type Entry = { at: number; printed: Promise<string>; latest: string; isPrinted: boolean }
  const known = new Map<string, Entry>()
  const ask = (program: string, args: readonly string[], before: string): Entry => {
    // Not the caller's signal: other callers wait for the same output, and the deadline bounds it.
    const options = {
      signal: AbortSignal.any([]),
      deadlineSeconds: PROGRAM_DEADLINE_SECONDS,
      isUntraced: true,
    }
    const entry: Entry = {
      at: clock.monotonicSeconds(),
      // A program that is missing, fails or hangs has no output; nor has one of an agent that shuts down. nvidia-smi
      // fails also when its output is complete.
      printed: processes
        .isInstalled(program)
        .then(async (isInstalled) => {
          if (!isInstalled) return ''
          const { reason, exitCode, stdout } = await processes.run(program, args, options)
          return reason === '' || exitCode === CORRUPTED_INFOROM ? stdout : ''
        })
        .catch(() => ''),
      latest: before,
      isPrinted: false,
    }
    void entry.printed.then((text) => {
      entry.latest = text
      entry.isPrinted = true
    })
    return entry
  }
  /** Returns its output; after WAIT_SECONDS, its previous output. */
  return async (program: string, ...args: string[]): Promise<string> => {
    const key = [program, ...args].join(' ')
    let entry = known.get(key)
    if (!entry || clock.monotonicSeconds() - entry.at > PROGRAM_SECONDS) {
      entry = ask(program, args, entry?.latest ?? '')
      known.set(key, entry)
    }
    if (entry.isPrinted) return entry.latest
    const timer = new AbortController()
    const pause = clock.sleep(WAIT_SECONDS, timer.signal).then(
      () => entry.latest,
      () => entry.latest,
    )
    return Promise.race([entry.printed, pause]).finally(() => timer.abort())
  }
}

const withDriver = (link: Interface, info: DriverInfo): Interface => ({
  ...link,
  driver: link.driver || info.driver,
  driverVersion: info.driverVersion,
  firmwareVersion: info.firmwareVersion,
  busInfo: info.busInfo || link.busInfo,
})

/** Describes hardware and operating system of the host. Never reads the environment. */
export const createHostDescriber = (
  deps: Deps,
  programs: Readonly<Record<string, string>>,
): HostDescriber => {
  const { read } = deps
  const printed = createProgramCache(deps)
  let machine: Partial<NodeMetadata> | undefined
  return {
    metadata: async () => {
      machine ??= readMachine(read)
      const memory = read('/proc/meminfo') ?? ''
      const uptime = parseUptime(read('/proc/uptime') ?? '')
      const gpus = parseGpus(
        await printed(
          programs['nvidia-smi'] ?? 'nvidia-smi',
          '--query-gpu=index,name',
          '--format=csv,noheader',
        ),
      )
      return NodeMetadata.fromPartial({
        ...machine,
        fqdn: fullName(os.hostname(), read('/etc/hosts') ?? '', read('/proc/sys/kernel/domainname') ?? ''),
        memoryBytes: parseMemory(memory, 'MemTotal') ?? 0,
        swapBytes: parseMemory(memory, 'SwapTotal') ?? 0,
        uptime: uptime === undefined ? undefined : toDuration(uptime),
        gpuModel: gpus.model,
        gpuCount: gpus.count,
      })
    },
    withDrivers: (interfaces) =>
      Promise.all(
        interfaces.map(async (link) => {
          // A name that begins with a dash would be an option.
          if (link.name.startsWith('-')) return link
          const text = await printed(programs.ethtool ?? 'ethtool', '-i', link.name)
          return text === '' ? link : withDriver(link, parseEthtool(text))
        }),
      ),
  }
}
