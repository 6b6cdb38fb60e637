"""From folders of files to training batches."""

from instar.data.dataset import DataSet as DataSet
from instar.data.dataset import Splits as Splits
from instar.data.layouts import Layout as Layout
from instar.data.open import Data as Data
from instar.data.open import open_data as open_data
from instar.data.refs import ImageRef as ImageRef
from instar.data.selection import Selection as Selection
from instar.data.selection import find as find
from instar.data.selection import with_number_of_domains as with_number_of_domains
