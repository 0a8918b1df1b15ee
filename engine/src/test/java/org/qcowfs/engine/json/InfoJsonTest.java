package org.qcowfs.engine.json;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.Qcow2Info;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;
import org.qcowfs.engine.model.SnapshotInfo;

class InfoJsonTest {
  @Test
  void rawImageHasOnlyWhatItHas() throws IOException {
    ImageInfo info =
        new ImageInfo("a.raw", "raw", 1024, 0, 0, false, false, null, null, List.of(), null);
    StringBuilder out = new StringBuilder();
    InfoJson.write(info, out);
    assertThat(out)
        .hasToString(
            """
            {
                "virtual-size": 1024,
                "filename": "a.raw",
                "format": "raw",
                "actual-size": 0,
                "dirty-flag": false
            }
            """);
  }

  /** Every member, in the order in which QEMU's hash tables give them out. */
  @Test
  void membersComeInQemusOrder() throws IOException {
    SnapshotInfo snapshot =
        new SnapshotInfo(0, "1", "s", 100, 5, 3_000_000_007L, 512, 1 << 20, 9, 65536, 1);
    Qcow2Info qcow2 =
        new Qcow2Info(
            3,
            "zstd",
            true,
            16,
            true,
            true,
            "d.raw",
            true,
            "luks",
            List.of(new BitmapInfo("bm", 65536, true, true)));
    ImageInfo info =
        new ImageInfo(
            "dir/a.qcow2",
            "qcow2",
            1 << 20,
            4096,
            65536,
            true,
            true,
            "b.qcow2",
            "qcow2",
            List.of(snapshot),
            qcow2);
    StringBuilder out = new StringBuilder();
    InfoJson.writeChain(List.of(info), out);
    assertThat(out)
        .hasToString(
            """
            [
                {
                    "backing-filename-format": "qcow2",
                    "snapshots": [
                        {
                            "icount": 9,
                            "vm-clock-nsec": 7,
                            "name": "s",
                            "date-sec": 100,
                            "date-nsec": 5,
                            "vm-clock-sec": 3,
                            "id": "1",
                            "vm-state-size": 512
                        }
                    ],
                    "virtual-size": 1048576,
                    "filename": "dir/a.qcow2",
                    "cluster-size": 65536,
                    "format": "qcow2",
                    "actual-size": 4096,
                    "format-specific": {
                        "type": "qcow2",
                        "data": {
                            "compat": "1.1",
                            "compression-type": "zstd",
                            "lazy-refcounts": true,
                            "bitmaps": [
                                {
                                    "flags": [
                                        "in-use",
                                        "auto"
                                    ],
                                    "name": "bm",
                                    "granularity": 65536
                                }
                            ],
                            "refcount-bits": 16,
                            "data-file": "d.raw",
                            "encrypt": {
                                "format": "luks"
                            },
                            "data-file-raw": true,
                            "corrupt": true,
                            "extended-l2": true
                        }
                    },
                    "full-backing-filename": "dir/b.qcow2",
                    "encrypted": true,
                    "backing-filename": "b.qcow2",
                    "dirty-flag": true
                }
            ]
            """);
  }

  @Test
  void icountThatWasNotRecordedIsLeftOut() throws IOException {
    SnapshotInfo snapshot = new SnapshotInfo(0, "1", "s", 0, 0, 0, 0, 0, -1, 0, 0);
    StringBuilder out = new StringBuilder();
    InfoJson.writeSnapshots(List.of(snapshot), out);
    assertThat(out.toString()).doesNotContain("icount").contains("\"name\": \"s\"");
  }
}
