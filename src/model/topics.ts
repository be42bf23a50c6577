/** What Koji's plugins announce, by the part of the topic behind the prefix */
export const TOPIC_NAMES = [
  'build.state.change',
  'tag',
  'untag',
  'package.list.change',
  'rpm.sign',
  'build.promote',
  'repo.init',
  'repo.done',
  'task.state.change',
] as const

export type TopicName = (typeof TOPIC_NAMES)[number]

/** A topic as a metric's label: no sender can make new values of it. */
export type TopicLabel = TopicName | 'unknown'
