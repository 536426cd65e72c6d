// Which kind of file was chosen, told by its content, and the recording in it.

import { readCsv } from "./csv.js";
import { readJson } from "./json.js";
import { ReadError } from "./leads.js";
import { isHeader, readWfdb } from "./wfdb.js";
import { isMuse, readMuse } from "./muse.js";

const LARGEST = 64 * 2 ** 20; // bytes

/**
 * The ECG of some files that were chosen together.
 * `files`: `{name, bytes}`; `asked`: `rate` (Hz), `unit` and `gain`, each null where unsaid.
 */
export function readFiles(files, asked) {
  if (!files.length) throw new ReadError("no file was chosen");
  const large = files.find((file) => file.bytes.length > LARGEST);
  if (large) throw new ReadError(`${large.name} is larger than 64 MB, which this page doesn't read`);
  const texts = files.map((file) => textOf(file.bytes));
  const header = files.findIndex((file, k) => /\.hea$/i.test(file.name) || (texts[k] !== null && isHeader(texts[k])));
  if (header >= 0) return wfdb(files, header, texts, asked);
  if (files.length > 1) {
    throw new ReadError("choose one ECG: a WFDB header (.hea) with its signal files, or one file");
  }
  const [file] = files, [text] = texts;
  if (text === null) {
    const hint = /\.(dat|mat)$/i.test(file.name) ? ": choose its WFDB header (.hea) together with it" : "";
    throw new ReadError(`${file.name} can't be read: it is none of WFDB, CSV, JSON, GE MUSE XML${hint}`);
  }
  if (isMuse(text)) return readMuse(file.name, text);
  if (/^\s*[{[]/.test(text)) return readJson(file.name, text, asked);
  if (/^\s*</.test(text) || !/\d/.test(text.slice(0, 4096))) {
    throw new ReadError(`${file.name} can't be read: it is none of WFDB, CSV, JSON, GE MUSE XML`);
  }
  return readCsv(file.name, text, asked);
}

function wfdb(files, header, texts, asked) {
  const find = (wanted) => {
    const last = wanted.split(/[/\\]/).at(-1);
    const same = (a, b) => a === b || a.toLowerCase() === b.toLowerCase();
    const others = files.filter((_, k) => k !== header);
    return others.find((file) => same(file.name, last))?.bytes ?? null;
  };
  if (texts[header] === null) throw new ReadError(`${files[header].name} can't be read: it is no text`);
  return readWfdb(files[header].name.replace(/\.hea$/i, ""), texts[header], find, asked);
}

/** The text of a file, null where it is none. */
function textOf(bytes) {
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (utf16) return new TextDecoder(bytes[0] === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
  if (bytes.subarray(0, 4096).includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}
