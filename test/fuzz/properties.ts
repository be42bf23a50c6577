import type fc from 'fast-check'
import { answerBytes, answerValues } from './answers.ts'
import { certificateContents, certificateTexts } from './certificates.ts'
import { messageBytes, messageMembers } from './messages.ts'

interface Property {
  readonly what: string
  // biome-ignore lint/suspicious/noExplicitAny: the properties take different inputs
  readonly property: fc.IRawProperty<any, boolean>
  /** of all runs */
  readonly share: number
}

export const PROPERTIES: readonly Property[] = [
  {
    what: 'a message as bytes gets a verdict, and none is good that says something else',
    property: messageBytes,
    share: 0.3,
  },
  {
    what: 'a message with another member gets a verdict, and only what was signed is good',
    property: messageMembers,
    share: 0.15,
  },
  {
    what: "a certificate's or list's text is refused or judged, and none is trusted that was not issued",
    property: certificateTexts,
    share: 0.1,
  },
  { what: 'the same of what the text encodes', property: certificateContents, share: 0.1 },
  {
    what: "a hub's answer with another value is read, or refused by a named error",
    property: answerValues,
    share: 0.2,
  },
  { what: "a hub's answer as bytes is decoded, or refused", property: answerBytes, share: 0.15 },
]
