/** On a graphics card only: the prompt alone takes a CPU adapter a quarter of an hour. One window a file: files run beside
 *  each other. */
import { describeHashQuality } from '../support/hash-quality.ts';

describeHashQuality(4);
