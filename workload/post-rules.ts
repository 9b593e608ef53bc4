/**
 * What a post may be, the same for forms and for the API. A character is a code point, as in JSON
 * Schema's maxLength: an emoji is one, not the two that a JavaScript string counts.
 */
export const MAX_TITLE_CHARACTERS = 300;
export const MAX_CONTENT_CHARACTERS = 100_000;

export interface Fault {
  field: 'title' | 'content';
  message: string;
}

export interface PostInput {
  title: string;
  content: string;
}

/** No faults: the post may be stored as it is, character for character. */
export function checkPost({ title, content }: PostInput): Fault[] {
  const faults: Fault[] = [];
  if (title.trim() === '') faults.push({ field: 'title', message: 'Title is required!' });
  else if (isLonger(title, MAX_TITLE_CHARACTERS)) {
    faults.push({
      field: 'title',
      message: tooLong('Title', MAX_TITLE_CHARACTERS, title),
    });
  } else if (unstorable(title)) {
    faults.push({ field: 'title', message: 'Title has a character that is not text.' });
  }
  if (isLonger(content, MAX_CONTENT_CHARACTERS)) {
    faults.push({
      field: 'content',
      message: tooLong('Content', MAX_CONTENT_CHARACTERS, content),
    });
  } else if (unstorable(content)) {
    faults.push({ field: 'content', message: 'Content has a character that is not text.' });
  }
  return faults;
}

const tooLong = (name: string, max: number, text: string): string =>
  `${name} may have at most ${grouped(max)} characters; this one has ${grouped(characters(text))}.`;

/** 100000 → 100,000 */
const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

/** Counted only where it matters: no text has more characters than code units. */
const isLonger = (text: string, max: number): boolean =>
  text.length > max && characters(text) > max;

function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** NUL ends a string in half of SQLite's functions; a lone surrogate has no UTF-8. */
function unstorable(text: string): boolean {
  return /[\0\p{Surrogate}]/u.test(text);
}
