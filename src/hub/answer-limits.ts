/** How large an answer may be, unpacked, in bytes: it is decoded as it arrives, and stands in memory as values. */
export interface AnswerLimits {
  /** with a call that lists all of something: history, a tag's content, all builds since a time */
  readonly scanBytes: number
  /** of any other request, which is about single things; a request of many is parted when its answer is larger */
  readonly usualBytes: number
}

/** An unfiltered history of a large prod is some hundred MB. */
export const ANSWER_LIMITS: AnswerLimits = { scanBytes: 1024 ** 3, usualBytes: 128 * 1024 ** 2 }

const SCANS: ReadonlySet<string> = new Set([
  'queryHistory',
  'queryRPMSigs',
  'listBuilds',
  'listPackages',
  'listTagged',
  'listTaggedRPMS',
  'listTags',
  'listUsers',
])

/** Of a request that makes these calls. */
export function maxAnswerBytes(methods: readonly string[], limits: AnswerLimits): number {
  return methods.some((method) => SCANS.has(method)) ? limits.scanBytes : limits.usualBytes
}
