// Copyright: (c) 2026, Strata
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Docker's side of archives.py, by Docker's own library: what its overlay2 driver does to the directory of a layer, with
// the digest that the layer store around it computes.
//
//	moby apply FILE DIRECTORY
//	moby export DIRECTORY FILE
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/docker/docker/pkg/archive"
	"github.com/docker/docker/pkg/chrootarchive"
	"github.com/docker/docker/pkg/directory"
	"github.com/docker/docker/pkg/reexec"
)

// apply unpacks as the driver's ApplyDiff does, and makes the digest as the layer store around it does.
func apply(path, target string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	digest := sha256.New()
	from := io.TeeReader(file, digest)
	options := &archive.TarOptions{WhiteoutFormat: archive.OverlayWhiteoutFormat}
	if err := chrootarchive.UntarUncompressed(from, target, options); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, from); err != nil {
		return err
	}
	_, err = directory.Size(context.Background(), target)
	return err
}

// export writes the tar as the driver's Diff does.
func export(source, path string) error {
	tar, err := archive.TarWithOptions(source, &archive.TarOptions{
		Compression:    archive.Uncompressed,
		WhiteoutFormat: archive.OverlayWhiteoutFormat,
	})
	if err != nil {
		return err
	}
	defer tar.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<18)
	if _, err := io.Copy(io.MultiWriter(out, sha256.New()), tar); err != nil {
		return err
	}
	return out.Flush()
}

func main() {
	if reexec.Init() { // chrootarchive runs this program again, in a chroot
		return
	}
	what := map[string]func(string, string) error{"apply": apply, "export": export}[os.Args[1]]
	if err := what(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
